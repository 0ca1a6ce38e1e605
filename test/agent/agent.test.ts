import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";

import { describe, expect, test } from "bun:test";

import { createAgent, openSettings } from "#src/agent/agent.ts";
import { systemClock } from "#src/lib/clock.ts";
import { statusAnswer } from "#src/protocol/ipc.ts";
import { spawnAgent, startAgent } from "#test/kit/agent.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startTestHub } from "#test/kit/hub.ts";
import { listenAsSystemd } from "#test/kit/systemd.ts";
import { alive, until } from "#test/kit/wait.ts";

const sleeper = { name: "sleeper", command: "exec sleep 600" };

function write(folder: Folder, name: "config.json" | "scripts.json", content: unknown, mode = 0o600): void {
  mkdirSync(folder.at("etc"), { recursive: true, mode: 0o755 });
  const text = typeof content === "string" ? content : JSON.stringify(content);
  writeFileSync(folder.at("etc", `${name}.new`), text);
  chmodSync(folder.at("etc", `${name}.new`), mode);
  renameSync(folder.at("etc", `${name}.new`), folder.at("etc", name));
}

type Asker = {
  ask(request: unknown): Promise<{ readonly ok: boolean; readonly data?: unknown; readonly error?: string }>;
};

async function statusOf(agent: Asker) {
  return statusAnswer.parse((await agent.ask({ cmd: "status" })).data);
}

async function pidOf(agent: Asker, name: string): Promise<number> {
  const { scripts } = await statusOf(agent);
  return scripts.find((script) => script.name === name)?.pid ?? 0;
}

const logOf = (folder: Folder): string => readFileSync(folder.at("log", "orion-agent.log"), "utf8");

describe("the agent", () => {
  test("runs without any file, and says all about itself", async () => {
    await using folder = temporaryFolder();
    await using agent = await startAgent(folder);
    const status = await statusOf(agent);
    expect(status).toMatchObject({
      pid: agent.pid,
      scripts: [],
      docker: { available: false, error: null },
      containers: [],
      delivery: { state: "off", endpoint: null },
      problems: [],
    });
    expect(status.system.memory.total).toBeGreaterThan(0);
    expect(status.hostname).not.toBe("");
  });

  test("adds, runs, shows, stops and removes a script, and keeps the file in step", async () => {
    await using folder = temporaryFolder();
    await using agent = await startAgent(folder);
    const added = await agent.ask({ cmd: "script:add", script: sleeper, start: true });
    expect(added).toMatchObject({ ok: true, data: { pid: expect.any(Number) } });
    const pid = await pidOf(agent, "sleeper");
    expect(await alive(pid)).toBe(true);
    expect(JSON.parse(readFileSync(folder.at("etc", "scripts.json"), "utf8"))).toMatchObject([sleeper]);
    expect(statSync(folder.at("etc", "scripts.json")).mode & 0o777).toBe(0o600);
    expect(await agent.ask({ cmd: "script:add", script: sleeper })).toMatchObject({ ok: false, code: "conflict" });
    expect(await agent.ask({ cmd: "script:show", name: "sleeper" })).toMatchObject({ data: { status: { pid } } });
    expect(await agent.ask({ cmd: "script:stop", name: "sleeper" })).toMatchObject({ ok: true });
    expect(await alive(pid)).toBe(false);
    expect(await agent.ask({ cmd: "script:remove", name: "sleeper" })).toMatchObject({ ok: true });
    expect(JSON.parse(readFileSync(folder.at("etc", "scripts.json"), "utf8"))).toEqual([]);
    expect(await agent.ask({ cmd: "script:list" })).toEqual({ ok: true, data: { scripts: [] } });
    expect(await agent.ask({ cmd: "script:remove", name: "sleeper" })).toMatchObject({ ok: false, code: "not-found" });
  });

  test("keeps what scripts print and what is logged, for `logs`", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [{ name: "hello", command: "echo one; echo ERROR two >&2", autoRestart: false }]);
    await using agent = await startAgent(folder);
    expect(await agent.ask({ cmd: "log", level: "warn", message: "disk low", fields: { free: 1 } })).toMatchObject({
      ok: true,
    });
    const entries = await until(async () => {
      const answer = (await agent.ask({ cmd: "logs" })).data as { entries: Record<string, unknown>[] };
      return answer.entries.length >= 3 ? answer.entries : undefined;
    }, "three entries");
    const seen = entries.map(({ source, stream, level, message }) => ({ source, stream, level, message }));
    expect(seen).toHaveLength(3);
    expect(seen).toContainEqual({ source: "hello", stream: "stdout", level: "info", message: "one" });
    expect(seen).toContainEqual({ source: "hello", stream: "stderr", level: "error", message: "ERROR two" });
    expect(seen).toContainEqual({ source: "cli", stream: "cli", level: "warn", message: "disk low" });
  });

  test("never shows its token to a script", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [sleeper]);
    const env = { ORION_AGENT_TOKEN: "oat_secret", ORION_ENDPOINT: "http://127.0.0.1:9", ORION_SERVER_ID: "s" };
    await using agent = await startAgent(folder, env);
    const pid = await pidOf(agent, "sleeper");
    expect(readFileSync(`/proc/${agent.pid}/environ`, "utf8")).toContain("oat_secret");
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("oat_secret");
    await agent.ask({ cmd: "script:stop", name: "sleeper" });
  });
});

describe("one agent a run folder", () => {
  test("a second one says which pid holds it and ends with 1, the first doesn't notice", async () => {
    await using folder = temporaryFolder();
    await using first = await startAgent(folder);
    const log = logOf(folder);
    await using second = spawnAgent(folder);
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(`an agent already runs in ${folder.at("run")} (pid ${first.pid})`);
    expect((await first.ask({ cmd: "ping" })).ok).toBe(true);
    expect(logOf(folder)).toBe(log);
  });

  test("what is in the way of its socket is named, and nothing is left behind", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("run"), { mode: 0o700 });
    writeFileSync(folder.at("run", "agent.sock"), "precious");
    write(folder, "scripts.json", [sleeper]);
    await using agent = spawnAgent(folder);
    expect(await agent.exited).toBe(1);
    expect(agent.output()).toContain("agent.sock is in the way: it is not a socket");
    renameSync(folder.at("run", "agent.sock"), folder.at("precious"));
    // the scripts were left to the next agent, which stops them
    await using next = await startAgent(folder);
    const pid = await pidOf(next, "sleeper");
    next.kill("SIGTERM");
    expect(await next.exited).toBe(0);
    expect(await alive(pid)).toBe(false);
  });

  test("a wrong environment variable ends it with 1, naming the variable", async () => {
    await using folder = temporaryFolder();
    await using agent = spawnAgent(folder, { OCORE_PUSH_INTERVAL: "5" });
    expect(await agent.exited).toBe(1);
    expect(agent.output()).toContain("OCORE_PUSH_INTERVAL: must be between 10 and 300 seconds");
  });
});

describe("signals", () => {
  test("SIGTERM stops every script with its tree, removes the socket and ends with 0", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [
      sleeper,
      { name: "stubborn", command: "trap '' TERM; sleep 600 & sleep 600 & wait; wait; sleep 600", killTimeout: 300 },
    ]);
    await using agent = await startAgent(folder);
    const pids = [await pidOf(agent, "sleeper"), await pidOf(agent, "stubborn")];
    expect(await Promise.all(pids.map(alive))).toEqual([true, true]);
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    expect(await Promise.all(pids.map(alive))).toEqual([false, false]);
    expect(existsSync(folder.at("run", "agent.sock"))).toBe(false);
    expect(logOf(folder)).toMatch(/info SIGTERM: stopping\n.*info orion agent has stopped\n$/s);
  });

  test("SIGTERM in the middle of the start stops what was started", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [sleeper]);
    await using agent = spawnAgent(folder);
    await until(() => existsSync(folder.at("log", "orion-agent.log")), "the first line");
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    const pid = Number(/sleeper started with pid (\d+)/.exec(logOf(folder))?.[1] ?? 0);
    if (pid > 0) expect(await alive(pid)).toBe(false);
  });

  test("a second one ends it at once, although a script resists", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [{ name: "stubborn", command: "trap '' TERM; while :; do sleep 1; done" }]);
    await using agent = await startAgent(folder);
    const pid = await pidOf(agent, "stubborn");
    agent.kill("SIGINT");
    await until(() => logOf(folder).includes("SIGINT: stopping"), "the first signal");
    agent.kill("SIGINT");
    expect(await agent.exited).toBe(1);
    process.kill(-pid, "SIGKILL");
  });

  test("SIGHUP starts what is new, stops what is gone, restarts what changed, leaves the rest alone", async () => {
    await using folder = temporaryFolder();
    const scripts = ["same", "changed", "gone"].map((name) => ({ name, command: "exec sleep 600" }));
    write(folder, "scripts.json", scripts);
    await using agent = await startAgent(folder);
    const [same, changed, gone] = await Promise.all(["same", "changed", "gone"].map((name) => pidOf(agent, name)));
    write(folder, "scripts.json", [
      scripts[0],
      { name: "changed", command: "exec sleep 601" },
      { name: "new", command: "exec sleep 600" },
    ]);
    agent.kill("SIGHUP");
    await until(() => logOf(folder).includes("reloaded: 1 started, 1 stopped, 1 restarted, 1 unchanged"), "the reload");
    const { scripts: now } = await statusOf(agent);
    expect(Object.fromEntries(now.map(({ name, state }) => [name, state]))).toEqual({
      changed: "running",
      new: "running",
      same: "running",
    });
    expect(await pidOf(agent, "same")).toBe(same ?? 0);
    expect(await pidOf(agent, "changed")).not.toBe(changed ?? 0);
    expect(await alive(gone ?? 0)).toBe(false);
    expect(await agent.ask({ cmd: "reload" })).toMatchObject({
      ok: true,
      data: { started: [], stopped: [], restarted: [] },
    });
    agent.kill("SIGTERM");
    await agent.exited;
  });
});

describe.skipIf(Bun.which("python3") === null)("systemd (needs python3)", () => {
  test("hears that the agent is ready, reloads, lives and stops", async () => {
    await using folder = temporaryFolder();
    await using systemd = await listenAsSystemd(folder.at("notify"));
    write(folder, "scripts.json", [sleeper]);
    const env = { NOTIFY_SOCKET: folder.at("notify"), WATCHDOG_USEC: "200000" };
    await using agent = await startAgent(folder, env);
    const heard = (text: string) => until(() => systemd.received().some((message) => message.includes(text)), text);
    await heard("READY=1\nSTATUS=1 of 1 scripts running, delivery off");
    await heard("WATCHDOG=1");
    agent.kill("SIGHUP");
    await heard("RELOADING=1\nMONOTONIC_USEC=");
    await until(
      () => systemd.received().filter((message) => message.startsWith("READY=1")).length === 2,
      "ready again",
    );
    const pid = await pidOf(agent, "sleeper");
    expect(readFileSync(`/proc/${pid}/environ`, "utf8")).not.toContain("NOTIFY_SOCKET");
    agent.kill("SIGTERM");
    await heard("STOPPING=1");
    expect(await agent.exited).toBe(0);
  });
});

describe("a kill -9 of the agent", () => {
  test("leaves scripts running; the next agent takes them over and tells what happened", async () => {
    await using folder = temporaryFolder();
    await using hub = startTestHub("oat_1");
    write(folder, "config.json", { apiUrl: hub.url, token: "oat_1", serverId: "s" });
    write(folder, "scripts.json", [sleeper]);
    const first = await startAgent(folder);
    const pid = await pidOf(first, "sleeper");
    await using killed = first;
    killed.kill("SIGKILL");
    await killed.exited;
    expect(await alive(pid)).toBe(true);
    await using second = await startAgent(folder);
    expect(await pidOf(second, "sleeper")).toBe(pid);
    await until(() => hub.events.filter(({ type }) => type === "agent.started").length === 2, "both starts");
    expect(hub.events.map(({ type, reason }) => ({ type, reason }))).toEqual([
      { type: "agent.started", reason: "start" },
      { type: "agent.started", reason: `start after pid ${killed.pid} ended without a stop` },
    ]);
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(await alive(pid)).toBe(false);
    expect(hub.events.at(-1)).toMatchObject({ type: "agent.stopped", reason: "SIGTERM" });
  });

  test("while the scripts file is torn doesn't stop what it can't name any more", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [sleeper]);
    await using first = await startAgent(folder);
    const pid = await pidOf(first, "sleeper");
    first.kill("SIGKILL");
    await first.exited;
    write(folder, "scripts.json", '[{"name": "sleeper", "comma');
    await using second = await startAgent(folder);
    expect(await pidOf(second, "sleeper")).toBe(pid);
    expect((await statusOf(second)).problems).toMatchObject([
      { why: expect.stringContaining("line 1, column 22: this string does not end") },
    ]);
    second.kill("SIGTERM");
    await second.exited;
  });
});

describe("files that are wrong", () => {
  test("are problems with their place, and the rest runs", async () => {
    await using folder = temporaryFolder();
    write(folder, "config.json", '{\n "token": oops }');
    write(folder, "scripts.json", [sleeper, { name: "half" }]);
    await using agent = await startAgent(folder);
    const { problems, scripts } = await statusOf(agent);
    expect(scripts.map(({ name, state }) => [name, state])).toEqual([["sleeper", "running"]]);
    expect(problems.map(({ what, why }) => `${what}: ${why}`)).toEqual([
      `the config file ${folder.at("etc", "config.json")} is not valid JSON: line 2, column 11: expected a value; it is left out`,
      `entry 2 (half) of ${folder.at("etc", "scripts.json")} is not used: command: missing, must be a string`,
    ]);
    expect(logOf(folder)).toContain("is not valid JSON: line 2, column 11");
    expect(await agent.ask({ cmd: "script:add", script: { name: "more", command: "exec sleep 600" } })).toMatchObject({
      ok: true,
    });
    expect(JSON.parse(readFileSync(folder.at("etc", "scripts.json"), "utf8"))[1]).toEqual({ name: "half" });
    agent.kill("SIGTERM");
    await agent.exited;
  });

  test("that others may write are refused, and a script can't be added to them", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [sleeper], 0o666);
    await using agent = await startAgent(folder);
    const { problems, scripts } = await statusOf(agent);
    expect(scripts).toEqual([]);
    expect(problems[0]?.todo).toBe(`chmod go-w ${folder.at("etc", "scripts.json")}`);
    expect(await agent.ask({ cmd: "script:add", script: sleeper })).toMatchObject({
      ok: false,
      error: expect.stringContaining("not overwritten"),
    });
  });
});

describe("the hub", () => {
  test("gets a heartbeat and the start at once, and the stop at the end", async () => {
    await using folder = temporaryFolder();
    await using hub = startTestHub("oat_1");
    write(folder, "scripts.json", [sleeper]);
    const env = { OCORE_ENDPOINT: `${hub.url}/`, OCORE_AGENT_TOKEN: "oat_1", OCORE_SERVER_ID: "s-1" };
    await using agent = await startAgent(folder, env);
    const { beat, agent: name } = await until(() => hub.heartbeats[0], "a heartbeat");
    expect(name).toBe(`ocore-agent/${beat.agent.version}`);
    expect(beat.scripts).toMatchObject([{ name: "sleeper", state: "running" }]);
    expect(beat.system.memory.total).toBeGreaterThan(0);
    expect((await statusOf(agent)).delivery.endpoint).toBe(hub.url);
    agent.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    expect(hub.events.map(({ type }) => type)).toEqual(["agent.started", "agent.stopped"]);
  });

  test("that refuses the token is a problem until a new token lies in the config file, without a restart", async () => {
    await using folder = temporaryFolder();
    await using hub = startTestHub("oat_new");
    write(folder, "config.json", { apiUrl: hub.url, token: "oat_old", serverId: "s" });
    await using agent = await startAgent(folder);
    await until(async () => (await statusOf(agent)).delivery.state === "refused", "the refusal");
    expect((await statusOf(agent)).problems[0]?.what).toBe(`${hub.url} refuses this agent`);
    await agent.ask({ cmd: "log", level: "info", message: "kept meanwhile" });
    write(folder, "config.json", { apiUrl: hub.url, token: "oat_new", serverId: "s" });
    await until(() => hub.entries.some(({ message }) => message === "kept meanwhile"), "the entry");
    expect(hub.heartbeats.every(({ token }) => token === "oat_new")).toBe(true);
    await until(async () => (await statusOf(agent)).problems.length === 0, "the end of the problem");
  }, 20_000);
});

describe("createAgent", () => {
  const world = () => {
    const lines: string[] = [];
    const log = (message: string): void => void lines.push(message);
    return {
      lines,
      clock: systemClock,
      version: "9.9.9",
      log: { debug: log, info: log, warn: log, error: log, setLevel: () => {} },
    };
  };

  test("touches nothing before the start, and stops without one", async () => {
    await using folder = temporaryFolder();
    const agent = createAgent(
      openSettings({ env: { ORION_DOCKER_SOCKET: "/proc/no-docker.sock" }, dir: folder.path, version: "9.9.9" }),
      world(),
    );
    expect(readdirSync(folder.path)).toEqual([]);
    await agent.stop();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  test("can be started and stopped again and again in one process", async () => {
    await using folder = temporaryFolder();
    for (let round = 0; round < 3; round++) {
      const agent = createAgent(
        openSettings({ env: { ORION_DOCKER_SOCKET: "/proc/no-docker.sock" }, dir: folder.path, version: "9.9.9" }),
        world(),
      );
      await agent.start();
      expect(agent.status().version).toBe("9.9.9");
      await agent.stop();
      await agent.stop();
      expect(existsSync(folder.at("run", "agent.sock"))).toBe(false);
    }
  });

  test("that is kept by the stop leaves its scripts to the next one", async () => {
    await using folder = temporaryFolder();
    write(folder, "scripts.json", [sleeper]);
    const settings = () =>
      openSettings({
        env: { PATH: process.env["PATH"], ORION_DOCKER_SOCKET: "/proc/no-docker.sock" },
        dir: folder.path,
        version: "9.9.9",
      });
    const first = createAgent(settings(), world());
    await first.start();
    const pid = first.status().scripts[0]?.pid ?? 0;
    await first.stop({ keep: true });
    expect(await alive(pid)).toBe(true);
    const second = createAgent(settings(), world());
    await second.start();
    expect(second.status().scripts[0]?.pid).toBe(pid);
    await second.stop();
    expect(await alive(pid)).toBe(false);
  });
});

describe("folders that can't be made", () => {
  test("are named, with what would help", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("run"), "a file in the folder's place");
    await using agent = spawnAgent(folder);
    expect(await agent.exited).toBe(1);
    expect(agent.output()).toMatch(/agent\.lock can't be opened/);
    await using other = spawnAgent(folder, { ORION_RUN_DIR: folder.at("run", "below") });
    expect(await other.exited).toBe(1);
    expect(other.output()).toMatch(/the folder .*run\/below can't be made: ENOTDIR/);
  });
});
