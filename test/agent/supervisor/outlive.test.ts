// Applications outlive the daemon: it is killed with -9 or replaced in place, and the next one takes them up.
import { join } from "node:path";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { expect, test } from "bun:test";

import type { AgentEvent } from "#src/protocol/event.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { ScriptInput } from "#src/protocol/scripts.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { alive, until } from "#test/kit/wait.ts";

import { createRig, gone, program, scriptOf } from "./rig.ts";

type Daemon = AsyncDisposable & {
  /** The status of a script now. */
  status(name: string): Promise<ScriptStatus>;
  order(line: string): Promise<void>;
  events(): AgentEvent[];
  /** Replaces the daemon in place and waits for the new one. */
  reexec(): Promise<void>;
  /** kill -9, and nothing else. */
  kill(): Promise<void>;
};

/** The fixture daemon over `folder`; what it said of scripts is asked anew each time. */
async function startDaemon(folder: Folder, scripts: readonly ScriptInput[]): Promise<Daemon> {
  const child = Bun.spawn([process.execPath, program("supervises.ts"), folder.path, JSON.stringify(scripts)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    cwd: join(import.meta.dir, "../../.."),
  });
  const said: { readonly what: string; readonly value: unknown }[] = [];
  const reading = (async () => {
    let rest = "";
    for await (const chunk of child.stdout) {
      const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
      rest = lines.pop() ?? "";
      said.push(...lines.map((line) => JSON.parse(line)));
    }
  })();
  const write = (line: string): void => {
    void child.stdin.write(`${line}\n`);
    void child.stdin.flush();
  };
  const count = (what: string): number => said.filter((one) => one.what === what).length;
  const next = async (what: string, before: number): Promise<void> => {
    await until(() => count(what) > before, `the daemon's ${what}`);
  };
  await next("status", 0);
  return {
    async status(name) {
      const before = count("status");
      write("status");
      await next("status", before);
      const all = said.findLast((one) => one.what === "status")?.value as ScriptStatus[];
      return all.find((status) => status.name === name)!;
    },
    async order(line) {
      const before = count("done");
      write(line);
      await next("done", before);
    },
    events: () => said.filter((one) => one.what === "event").map((one) => one.value as AgentEvent),
    async reexec() {
      const before = count("status");
      write("reexec");
      await next("status", before);
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Ends all that a killed daemon has left, as a daemon without scripts does. */
async function sweep(folder: Folder, ...pids: number[]): Promise<void> {
  const rig = createRig(folder);
  await rig.supervisor.start([]);
  for (const pid of pids) await gone(pid);
  await rig[Symbol.asyncDispose]();
}

test("after kill -9 the same process goes on, is stopped whole and its end is seen", async () => {
  const folder = temporaryFolder();
  const scripts = [
    { name: "web", command: program("forks-grandchildren.sh"), killTimeout: 200 },
    { name: "api", command: program("counts.sh"), backoffBase: 60_000 },
    { name: "off", command: program("counts.sh") },
  ];
  await using first = await startDaemon(folder, scripts);
  await first.order("stop off");
  const before = [await first.status("web"), await first.status("api")];
  await first.kill();

  await using second = await startDaemon(folder, scripts);
  const after = [await second.status("web"), await second.status("api"), await second.status("off")];
  expect(after.map(({ state, pid }) => [state, pid])).toEqual([
    ["running", before[0]!.pid],
    ["running", before[1]!.pid],
    ["stopped", null],
  ]);
  expect(second.events()).toEqual([]);
  await second.order("stop web");
  await gone(before[0]!.pid!);
  process.kill(before[1]!.pid!, "SIGTERM");
  await until(() => second.events().length > 0, "the crash");
  expect(second.events()).toMatchObject([
    { type: "script.crashed", exitCode: null, signal: null, observed: false, willRestart: true },
  ]);
  expect((await second.status("api")).lastExit).toMatchObject({ code: null, signal: null, observed: false });
  await second.kill();
  await sweep(folder);
});

test("an end that nobody saw is told as such and handled like a crash", async () => {
  const folder = temporaryFolder();
  const scripts = [{ name: "web", command: program("counts.sh"), backoffBase: 20 }];
  await using first = await startDaemon(folder, scripts);
  const { pid } = await first.status("web");
  await first.kill();
  process.kill(pid!, "SIGKILL");
  await gone(pid!);

  await using second = await startDaemon(folder, scripts);
  const again = await until(async () => {
    const status = await second.status("web");
    return status.state === "running" && status;
  }, "the restart");
  expect(second.events()).toMatchObject([
    { type: "script.crashed", exitCode: null, observed: false, restarts: 1, restartInMs: 20 },
  ]);
  expect([again.restarts, again.pid === pid]).toEqual([1, false]);
  await second.kill();
  await sweep(folder, again.pid!);
});

test("replaced in place, a daemon still learns the exit code of the children it had", async () => {
  const folder = temporaryFolder();
  const command = "trap 'exit 7' USR1; while :; do sleep 0.02; done";
  const scripts = [{ name: "web", command, autoRestart: false }];
  await using daemon = await startDaemon(folder, scripts);
  const { pid } = await daemon.status("web");
  await daemon.reexec();
  await daemon.reexec();
  expect(await daemon.status("web")).toMatchObject({ state: "running", pid });
  process.kill(pid!, "SIGUSR1");
  await until(() => daemon.events().length > 0, "the crash");
  expect(daemon.events()).toMatchObject([{ type: "script.crashed", exitCode: 7, observed: true, willRestart: false }]);
  await daemon.kill();
  await sweep(folder);
});

test("a wait for a restart goes on in the next daemon, counts and all", async () => {
  const folder = temporaryFolder();
  const scripts = [{ name: "web", command: program("dies-at-once.sh"), backoffBase: 400 }];
  await using first = await startDaemon(folder, scripts);
  await until(async () => (await first.status("web")).nextRestartAt !== null, "the first crash");
  await first.kill();
  await using second = await startDaemon(folder, scripts);
  expect(await second.status("web")).toMatchObject({ state: "crashed" });
  await until(() => second.events().length > 0, "the second crash");
  expect(second.events()[0]).toMatchObject({ type: "script.crashed", restarts: 2, restartInMs: 800, exitCode: 3 });
  await second.kill();
  await sweep(folder);
});

/** Runs `name` under one supervisor, lets go of it as a crash would, and hands the folder to the next. */
async function abandoned(script: ScriptInput): Promise<{ readonly folder: Folder; readonly pid: number }> {
  const folder = temporaryFolder();
  const first = createRig(folder);
  await first.supervisor.start([scriptOf(script)]);
  const pid = first.pidOf(script.name);
  await first.supervisor.stop({ keep: true });
  return { folder, pid };
}

const web = { name: "web", command: program("counts.sh") };

test("a script that was removed meanwhile is ended, with its pipes and its record", async () => {
  const { folder, pid } = await abandoned(web);
  await using rig = createRig(folder);
  await rig.supervisor.start([]);
  await gone(pid);
  const left = (): string[] => [...new Bun.Glob("*").scanSync({ cwd: folder.at("scripts"), onlyFiles: false })];
  await until(() => left().length === 0, "an empty folder");
  expect([rig.supervisor.list(), rig.events]).toEqual([[], []]);
});

test("a stop of the daemon waits for the end of a script that was removed", async () => {
  const { folder, pid } = await abandoned({ name: "web", command: program("ignores-term.sh"), killTimeout: 300 });
  const rig = createRig(folder);
  await rig.supervisor.start([]);
  await rig[Symbol.asyncDispose]();
  expect(await alive(pid)).toBe(false);
});

test("a script that was changed meanwhile is restarted with its new settings", async () => {
  const { folder, pid } = await abandoned(web);
  await using rig = createRig(folder);
  await rig.supervisor.start([scriptOf({ ...web, command: "echo changed; sleep 60" })]);
  await gone(pid);
  await until(() => rig.lines("web").includes("changed"), "the new command");
  expect(rig.events).toEqual([]);
});

test("a stopped (SIGSTOP) process is adopted as it is", async () => {
  const { folder, pid } = await abandoned(web);
  process.kill(pid, "SIGSTOP");
  await using rig = createRig(folder);
  await rig.supervisor.start([scriptOf(web)]);
  expect(rig.pidOf("web")).toBe(pid);
  await rig.supervisor.stopScript("web");
  await gone(pid);
});

test("a torn record is set aside and named, and its process is found by its marks", async () => {
  const { folder, pid } = await abandoned(web);
  const path = folder.at("scripts/web.json");
  writeFileSync(path, readFileSync(path, "utf8").slice(0, 40));
  await using rig = createRig(folder);
  await rig.supervisor.start([scriptOf(web)]);
  expect(rig.pidOf("web")).toBe(pid);
  expect(rig.supervisor.problems().map(({ why }) => why)).toEqual([expect.stringContaining("web.json.broken: ")]);
});

test("a record of another boot is not believed, whatever it says", async () => {
  await using folder = temporaryFolder();
  const stranger = Bun.spawn(["/bin/sleep", "60"], { detached: true });
  const { folder: other, pid } = await abandoned(web);
  const record = JSON.parse(readFileSync(other.at("scripts/web.json"), "utf8"));
  const startTicks = Number(readFileSync(`/proc/${stranger.pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19]);
  const run = { ...record.run, id: "of-before", pid: stranger.pid, startTicks };
  mkdirSync(folder.at("scripts"));
  const bootId = "00000000-0000-0000-0000-000000000000";
  writeFileSync(folder.at("scripts/web.json"), JSON.stringify({ ...record, bootId, run }));
  const rig = createRig(folder);
  await rig.supervisor.start([scriptOf(web)]);
  expect([rig.pidOf("web") === stranger.pid, rig.events]).toEqual([false, []]);
  await rig.supervisor.stopScript("web");
  expect(stranger.exitCode).toBeNull();
  stranger.kill();
  await rig.supervisor.stop({ keep: false });
  await sweep(other, pid);
});

test("a pid that another program has by now is neither adopted nor touched", async () => {
  const { folder, pid } = await abandoned({ ...web, backoffBase: 60_000 });
  process.kill(pid, "SIGKILL");
  await gone(pid);
  // start times are told in ticks of 10 ms: a later one, as with every pid that the kernel gives again
  await Bun.sleep(30);
  const stranger = Bun.spawn(["/bin/sleep", "60"], { detached: true });
  const path = folder.at("scripts/web.json");
  const record = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...record, run: { ...record.run, pid: stranger.pid } }));
  await using rig = createRig(folder);
  await rig.supervisor.start([scriptOf({ ...web, backoffBase: 60_000 })]);
  expect(rig.crashes("web")).toMatchObject([{ observed: false, exitCode: null }]);
  await rig.supervisor.stopScript("web");
  expect(stranger.exitCode).toBeNull();
  stranger.kill();
});

test("a daemon killed between the spawn and its record finds the process by its mark", async () => {
  const { folder, pid } = await abandoned(web);
  const path = folder.at("scripts/web.json");
  const record = JSON.parse(readFileSync(path, "utf8"));
  const run = { ...record.run, pid: null, startTicks: null };
  writeFileSync(path, JSON.stringify({ ...record, state: "starting", run }));
  await using rig = createRig(folder);
  await rig.supervisor.start([scriptOf(web)]);
  expect(rig.pidOf("web")).toBe(pid);
});
