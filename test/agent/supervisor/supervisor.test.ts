// The door of the supervisor, with real processes, pipes and files.
import { existsSync, mkdirSync } from "node:fs";

import { expect, test } from "bun:test";

import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { createRig, faultOf, gone, processesWith, program, scriptOf } from "./rig.ts";

const root = process.getuid?.() === 0;
const asRoot = test.skipIf(!root);

test("enabled scripts start with the daemon, the others wait for a person", async () => {
  await using rig = createRig();
  await rig.supervisor.start([
    scriptOf({ name: "web", command: program("counts.sh") }),
    scriptOf({ name: "job", command: program("counts.sh"), enabled: false }),
  ]);
  expect([rig.state("web"), rig.state("job")]).toEqual(["running", "stopped"]);
  const { pid } = await rig.supervisor.startScript("job");
  expect(rig.pidOf("job")).toBe(pid);
  await until(() => rig.lines("web").includes("line 3"), "output");
});

test("start of a script that runs answers with its pid, stop of one that does not is fine", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("counts.sh") })]);
  const pid = rig.pidOf("web");
  expect(await rig.supervisor.startScript("web")).toEqual({ pid });
  await rig.supervisor.stopScript("web");
  await rig.supervisor.stopScript("web");
  await gone(pid);
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "stopped", pid: null, uptime: null });
});

test("an end that was asked for is no crash, whatever its code", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("ends-on-term.sh") })]);
  await until(() => rig.lines("web").includes("ready"), "ready");
  await rig.supervisor.stopScript("web");
  // the shell may have its own word to say on stderr
  expect(rig.lines("web").filter((line) => line !== "Terminated")).toEqual(["ready", "bye"]);
  expect(rig.events).toEqual([]);
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "stopped", lastExit: { code: 7, observed: true } });
});

test("the kill signal of the script is the one that is sent", async () => {
  await using rig = createRig();
  const command = "trap 'echo interrupted; exit 0' INT; trap '' TERM; echo ready; while :; do sleep 0.02; done";
  await rig.supervisor.start([scriptOf({ name: "web", command, killSignal: "SIGINT" })]);
  await until(() => rig.lines("web").includes("ready"), "ready");
  await rig.supervisor.stopScript("web");
  expect(rig.lines("web")).toEqual(["ready", "interrupted"]);
});

test("a restart gives a new process and tells no crash", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("ends-on-term.sh") })]);
  const before = rig.pidOf("web");
  const { pid } = await rig.supervisor.restartScript("web");
  await gone(before);
  expect([pid === before, rig.pidOf("web"), rig.events]).toEqual([false, pid, []]);
  await rig.supervisor.stopScript("web");
  expect((await rig.supervisor.restartScript("web")).pid).toBe(rig.pidOf("web"));
});

test("a script that ends with code 0 is stopped and stays so", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "job", command: "echo done" })]);
  await until(() => rig.supervisor.find("job")?.status.lastExit?.code === 0, "its end");
  expect([rig.state("job"), rig.lines("job"), rig.events]).toEqual(["stopped", ["done"], []]);
});

test("a crash is told with code, last lines and what follows, then it is restarted and given up in the end", async () => {
  await using rig = createRig();
  const script = scriptOf({ name: "web", command: program("dies-at-once.sh"), maxRestarts: 3, backoffBase: 10 });
  await rig.supervisor.start([script]);
  const gaveUp = await until(() => rig.events.find((event) => event.type === "script.gave-up"), "giving up");
  const both = ["ERROR no reason to live", "about to die"];
  const at = expect.stringMatching(/Z$/);
  const facts = { at, script: "web", exitCode: 3, signal: null, observed: true, oom: false };
  expect(rig.crashes("web").map((event) => ({ ...event, tail: event.tail.toSorted() }))).toEqual([
    { type: "script.crashed", ...facts, restarts: 1, willRestart: true, restartInMs: 10, tail: both },
    {
      type: "script.crashed",
      ...facts,
      restarts: 2,
      willRestart: true,
      restartInMs: 20,
      tail: [...both, ...both].toSorted(),
    },
    {
      type: "script.crashed",
      ...facts,
      restarts: 3,
      willRestart: false,
      restartInMs: null,
      tail: [...both, ...both, ...both].toSorted(),
    },
  ]);
  expect(gaveUp).toMatchObject({ script: "web", restarts: 3, exitCode: 3 });
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "crashed", restarts: 2, nextRestartAt: null });
  expect(rig.supervisor.problems().map(({ what }) => what)).toEqual(["script web was given up"]);
});

test("the alert carries no more than the last 20 lines, the one without a newline among them", async () => {
  await using rig = createRig();
  const command = "seq 1 30; printf unfinished; exit 1";
  await rig.supervisor.start([scriptOf({ name: "web", command, autoRestart: false })]);
  const crash = await until(() => rig.crashes("web")[0], "the crash");
  expect(crash.tail).toEqual([...Array.from({ length: 19 }, (_, i) => String(i + 12)), "unfinished"]);
});

test("without autoRestart a crash is told all the same, by signal as by code", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("counts.sh"), autoRestart: false })]);
  process.kill(rig.pidOf("web"), "SIGSEGV");
  const crash = await until(() => rig.crashes("web")[0], "the crash");
  expect(crash).toMatchObject({
    exitCode: null,
    signal: "SIGSEGV",
    willRestart: false,
    restartInMs: null,
    restarts: 1,
  });
  expect([rig.state("web"), rig.events.length]).toEqual(["crashed", 1]);
});

test("a script that waits for its restart is crashed with a time, and a person's start goes first", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("counts.sh"), backoffBase: 60_000 })]);
  process.kill(rig.pidOf("web"), "SIGKILL");
  await until(() => rig.crashes("web").length === 1, "the crash");
  const { state, nextRestartAt } = rig.supervisor.find("web")?.status ?? {};
  expect([state, Date.parse(nextRestartAt ?? "") > Date.now()]).toEqual(["crashed", true]);
  await rig.supervisor.startScript("web");
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "running", restarts: 0, nextRestartAt: null });
});

test("a stop while it waits for its restart ends the waiting", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: "exit 1", backoffBase: 60_000 })]);
  await until(() => rig.crashes("web").length === 1, "the crash");
  await rig.supervisor.stopScript("web");
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "stopped", nextRestartAt: null });
});

const cannotStart: readonly [name: string, script: Parameters<typeof scriptOf>[0], reason: string][] = [
  [
    "a working directory that does not exist",
    { name: "web", command: "true", cwd: "/no/such" },
    "its working directory /no/such does not exist",
  ],
  [
    "a working directory that is a file",
    { name: "web", command: "true", cwd: "/etc/passwd" },
    "its working directory /etc/passwd is not a folder",
  ],
  [
    "an environment file that does not exist",
    { name: "web", command: "true", envFile: "/no/env" },
    "environment file /no/env does not exist",
  ],
  [
    "a user that does not exist",
    { name: "web", command: "true", user: "nobody-here" },
    "user nobody-here does not exist in /etc/passwd",
  ],
];
for (const [name, input, reason] of cannotStart) {
  test(`${name} is a crash with its reason, told to who starts it`, async () => {
    await using rig = createRig();
    await rig.supervisor.start([scriptOf({ ...input, enabled: false, autoRestart: false })]);
    const fault = await faultOf(rig.supervisor.startScript("web"));
    expect([fault.code, fault.message]).toEqual(["failed", `script web can't be started: ${reason}`]);
    expect(rig.crashes("web")).toMatchObject([
      { reason, exitCode: null, signal: null, observed: true, willRestart: false },
    ]);
    expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "crashed", problem: reason });
    expect(rig.supervisor.problems().map(({ why }) => why)).toEqual([reason]);
  });
}

test("a script that could not be started is tried again, and runs once the cause is gone", async () => {
  await using rig = createRig();
  const cwd = rig.folder.at("later");
  await rig.supervisor.start([
    scriptOf({ name: "web", command: program("counts.sh"), cwd, backoffBase: 20, maxRestarts: 1000 }),
  ]);
  await until(() => rig.crashes("web").length >= 1, "the failure");
  mkdirSync(cwd);
  await until(() => rig.state("web") === "running", "the start");
  expect(rig.supervisor.find("web")?.status.problem).toBeNull();
});

test("a command that does not exist ends with code 127 and the shell's own words", async () => {
  await using rig = createRig();
  const env = { PATH: "/usr/bin:/bin" };
  await rig.supervisor.start([scriptOf({ name: "web", command: "no-such-command --now", env, autoRestart: false })]);
  const crash = await until(() => rig.crashes("web")[0], "the crash");
  expect([crash.exitCode, crash.tail[0]]).toEqual([127, expect.stringContaining("no-such-command: not found")]);
});

test("a stop ends every grandchild, also in other sessions and deaf ones", async () => {
  await using rig = createRig();
  const script = scriptOf({ name: "web", command: program("forks-grandchildren.sh"), killTimeout: 150 });
  await rig.supervisor.start([{ ...script, env: { TREE_OF: rig.folder.path } }]);
  await until(() => rig.lines("web").includes("ready"), "ready");
  await until(() => processesWith(rig.folder.path).length >= 5, "the grandchildren");
  await rig.supervisor.stopScript("web");
  expect(processesWith(rig.folder.path)).toEqual([]);
});

test("a daemon left behind by a script that ended well lives on until a stop, and a start replaces it", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("daemonises.sh") })]);
  const daemon = async (nth: number): Promise<number> => {
    const line = await until(() => rig.lines("web").filter((text) => text.startsWith("daemon "))[nth], "the daemon");
    return Number(line.split(" ")[1]);
  };
  const first = await daemon(0);
  await until(() => rig.state("web") === "stopped", "the end of the parent");
  process.kill(first, 0);
  await rig.supervisor.startScript("web");
  await gone(first);
  const second = await daemon(1);
  await until(() => rig.state("web") === "stopped", "the end of the second parent");
  process.kill(second, 0);
  await rig.supervisor.stopScript("web");
  await gone(second);
});

asRoot(
  "a control group finds what hides from everything else, before a restart and at a stop (needs root)",
  async () => {
    await using rig = createRig();
    const mark = `6${String(process.pid)}`;
    const command = `(setsid env -i /bin/sleep ${mark} >/dev/null 2>&1 &); sleep 0.05; exit 4`;
    await rig.supervisor.start([scriptOf({ name: "web", command, maxRestarts: 3, backoffBase: 10 })]);
    await until(() => rig.crashes("web").length === 3, "three crashes");
    expect(processesWith(mark).length).toBe(1);
    await rig.supervisor.stopScript("web");
    expect(processesWith(mark)).toEqual([]);
  },
);

asRoot("a script that is killed for memory says so (needs root)", async () => {
  await using rig = createRig();
  const script = scriptOf({
    name: "web",
    command: program("eats-memory.sh"),
    memoryMax: 30_000_000,
    autoRestart: false,
  });
  await rig.supervisor.start([script]);
  const crash = await until(() => rig.crashes("web")[0], "the crash");
  const limited = !rig.logged.some((line) => line.includes("no memory limit"));
  if (limited) expect(crash).toMatchObject({ signal: "SIGKILL", oom: true, tail: ["eating"] });
});

asRoot("a script runs as its user, with the user's groups, home and folder (needs root)", async () => {
  await using rig = createRig();
  const script = { name: "web", command: program("shows-environment.sh"), user: "nobody", cwd: "/tmp" };
  await rig.supervisor.start([scriptOf(script)]);
  await until(() => rig.lines("web").includes("ready"), "ready");
  const lines = rig.lines("web");
  const uid = lines[0] ?? "";
  expect([uid === "0", lines[2]]).toEqual([false, "/tmp"]);
  expect(lines).toContain("USER=nobody");
  expect(lines).toContain("ORION_SCRIPT=web");
});

test.skipIf(root)(
  "only root starts scripts as other users, and the own user is no other (needs a plain user)",
  async () => {
    await using rig = createRig();
    const own = String(process.getuid?.());
    await rig.supervisor.start([scriptOf({ name: "own", command: program("counts.sh"), user: own })]);
    expect(rig.state("own")).toBe("running");
    const other = scriptOf({ name: "web", command: "true", user: "root", autoRestart: false });
    const fault = await faultOf(rig.supervisor.add(other, { start: true }));
    expect(fault.message).toContain("only root can start it as user root");
    expect(fault.hint).toContain("remove user");
  },
);

asRoot("a program of another user can open its own stdout by name (needs root)", async () => {
  await using rig = createRig();
  const script = { name: "web", command: "echo by name >/dev/stdout", user: "nobody" };
  await rig.supervisor.start([scriptOf(script)]);
  await until(() => rig.state("web") === "stopped" || rig.crashes("web").length > 0, "its end");
  expect(rig.lines("web")).toEqual(["by name"]);
});

test("a script gets its own environment and nothing of the daemon's", async () => {
  process.env["ORION_AGENT_TOKEN"] = "secret";
  try {
    await using rig = createRig();
    const file = rig.folder.at("env");
    await Bun.write(file, "FROM_FILE='of the file'\n");
    const script = { name: "web", command: program("shows-environment.sh"), envFile: file, env: { OWN: "1" } };
    await rig.supervisor.start([scriptOf(script)]);
    await until(() => rig.lines("web").includes("ready"), "ready");
    const lines = rig.lines("web");
    expect(lines).toContain("FROM_FILE=of the file");
    expect(lines).toContain("OWN=1");
    expect(lines.filter((line) => line.includes("secret") || line.startsWith("ORION_AGENT"))).toEqual([]);
  } finally {
    delete process.env["ORION_AGENT_TOKEN"];
  }
});

test("output that is not captured goes nowhere, and there is no pipe for it", async () => {
  await using rig = createRig();
  await rig.supervisor.start([
    scriptOf({ name: "web", command: program("dies-at-once.sh"), captureOutput: false, autoRestart: false }),
  ]);
  const crash = await until(() => rig.crashes("web")[0], "the crash");
  expect([crash.tail, existsSync(rig.folder.at("scripts/web.stdout"))]).toEqual([[], false]);
});

test("an unknown script is not found, a name that is taken is a conflict", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: "true" })]);
  expect((await faultOf(rig.supervisor.startScript("other"))).code).toBe("not-found");
  expect((await faultOf(rig.supervisor.stopScript("other"))).code).toBe("not-found");
  expect((await faultOf(rig.supervisor.remove("other"))).code).toBe("not-found");
  expect((await faultOf(rig.supervisor.add(scriptOf({ name: "web", command: "x" }), { start: true }))).code).toBe(
    "conflict",
  );
});

test("a script that is added can be started at once, and removed it leaves nothing", async () => {
  await using rig = createRig();
  await rig.supervisor.start([]);
  await rig.supervisor.add(scriptOf({ name: "off", command: program("counts.sh") }), { start: false });
  await rig.supervisor.add(scriptOf({ name: "on", command: program("counts.sh") }), { start: true });
  const pid = rig.pidOf("on");
  expect(rig.supervisor.list().map(({ status }) => [status.name, status.state])).toEqual([
    ["off", "stopped"],
    ["on", "running"],
  ]);
  await rig.supervisor.remove("on");
  await gone(pid);
  await rig.supervisor.remove("off");
  expect(rig.supervisor.list()).toEqual([]);
  expect([...new Bun.Glob("*").scanSync({ cwd: rig.folder.at("scripts"), onlyFiles: false })]).toEqual([]);
});

test("a reload starts what is new, stops what is gone, restarts what changed and leaves the rest alone", async () => {
  await using rig = createRig();
  const of = (name: string, more: object = {}) => scriptOf({ name, command: program("counts.sh"), ...more });
  await rig.supervisor.start([of("same"), of("soft"), of("hard"), of("gone"), of("off", { enabled: false })]);
  const before = { same: rig.pidOf("same"), soft: rig.pidOf("soft"), hard: rig.pidOf("hard"), gone: rig.pidOf("gone") };
  const done = await rig.supervisor.reload([
    of("same"),
    of("soft", { maxRestarts: 1, killTimeout: 1, enabled: false }),
    of("hard", { env: { A: "1" } }),
    of("off", { enabled: false, env: { A: "1" } }),
    of("new"),
    of("new-off", { enabled: false }),
  ]);
  expect(done).toEqual({
    started: ["new"],
    stopped: ["gone"],
    restarted: ["hard"],
    unchanged: ["off", "same", "soft"],
  });
  await gone(before.gone);
  expect([rig.pidOf("same"), rig.pidOf("soft")]).toEqual([before.same, before.soft]);
  expect(rig.pidOf("hard")).not.toBe(before.hard);
  expect([rig.state("new"), rig.state("new-off"), rig.state("off")]).toEqual(["running", "stopped", "stopped"]);
  expect(rig.supervisor.find("soft")?.script.maxRestarts).toBe(1);
});

test("orders to one script are carried out one after the other", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("counts.sh"), enabled: false })]);
  const kinds = ["startScript", "stopScript", "restartScript"] as const;
  const orders = Array.from({ length: 30 }, (_, i) => rig.supervisor[kinds[i % 3]!]("web"));
  await Promise.all([...orders, rig.supervisor.stopScript("web")]);
  expect([rig.state("web"), rig.events]).toEqual(["stopped", []]);
});

test("a script that is slow to stop holds up nobody else", async () => {
  await using rig = createRig();
  await rig.supervisor.start([
    scriptOf({ name: "slow", command: program("ignores-term.sh"), killTimeout: 60_000 }),
    scriptOf({ name: "web", command: program("counts.sh") }),
  ]);
  await until(() => rig.lines("slow").includes("ready"), "ready");
  let stopped = false;
  const slow = rig.supervisor.stopScript("slow").then(() => (stopped = true));
  await rig.supervisor.restartScript("web");
  await rig.supervisor.stopScript("web");
  expect(stopped).toBe(false);
  process.kill(rig.pidOf("slow"), "SIGKILL");
  await slow;
});

test("a script that floods its pipe can be stopped, and costs no line before that", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: program("floods-stdout.sh") })]);
  await until(() => rig.lines("web").length >= 10_000, "many lines");
  await rig.supervisor.stopScript("web");
  expect(rig.supervisor.find("web")?.status).toMatchObject({ state: "stopped", lastExit: { signal: "SIGTERM" } });
});

test("CPU and memory are those of the whole tree", async () => {
  await using rig = createRig();
  await rig.supervisor.start([scriptOf({ name: "web", command: "(while :; do :; done) & wait" })]);
  expect(rig.supervisor.find("web")?.status).toMatchObject({ cpu: null, memory: null });
  const status = await until(() => {
    rig.supervisor.sample();
    const now = rig.supervisor.find("web")?.status;
    return (now?.cpu ?? 0) > 5 && now;
  }, "CPU of the child");
  expect(status.memory).toBeGreaterThan(100_000);
});

test("a stop of the daemon ends all scripts, and the next one starts the enabled ones afresh", async () => {
  const folder = temporaryFolder();
  const scripts = [
    scriptOf({ name: "web", command: program("counts.sh") }),
    scriptOf({ name: "deaf", command: program("ignores-term.sh"), killTimeout: 200 }),
  ];
  const first = createRig(folder);
  await first.supervisor.start(scripts);
  await until(() => first.lines("deaf").includes("ready"), "ready");
  const pids = [first.pidOf("web"), first.pidOf("deaf")];
  await first.supervisor.stopScript("web");
  await first.supervisor.stop({ keep: false });
  for (const pid of pids) await gone(pid);
  expect(first.events).toEqual([]);
  await using second = createRig(folder);
  await second.supervisor.start(scripts);
  expect([second.state("web"), second.state("deaf")]).toEqual(["running", "running"]);
});
