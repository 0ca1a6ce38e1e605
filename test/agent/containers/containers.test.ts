import { chmodSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { type Containers, createContainers } from "#src/agent/containers/containers.ts";
import type { ContainerChunk } from "#src/agent/containers/ports.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { startFakeEngine } from "./fake-engine.ts";

const id = "0123456789abcdef".repeat(4);

function container(over: { running?: boolean; health?: string; exitCode?: number; labels?: object } = {}): object {
  const { running = true, health, exitCode = 0, labels = {} } = over;
  return {
    Id: id,
    Name: "/web",
    Config: { Image: "nginx", Tty: false, Labels: labels },
    State: {
      Status: running ? "running" : "exited",
      Running: running,
      ExitCode: exitCode,
      StartedAt: "2030-01-01T00:00:00Z",
      ...(health !== undefined && { Health: { Status: health, FailingStreak: 3, Log: [{ Output: "refused\n" }] } }),
    },
  };
}

function logOf(...lines: readonly string[]): Buffer {
  const frames = lines.map((line, index) => {
    const body = Buffer.from(`2030-01-01T00:00:00.00000000${index}Z ${line}\n`);
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, body.length]);
    return Buffer.concat([head, body]);
  });
  return Buffer.concat(frames);
}

/** The room with everything that it says kept. */
function openRoom(
  folder: Folder,
  options: { logs?: boolean; taking?: () => boolean; ready?: () => boolean; positions?: Map<string, string> } = {},
) {
  const { logs = true, taking = () => true, ready = () => true, positions = new Map<string, string>() } = options;
  const clock = createTestClock();
  const chunks: ContainerChunk[] = [];
  const events: AgentEvent[] = [];
  const missed: string[] = [];
  const lines = (): string[] => chunks.flatMap((chunk) => chunk.lines.map(({ message }) => message));
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const room: Containers = createContainers({
    socketPath: folder.at("docker.sock"),
    logs,
    rules: { include: [], exclude: [] },
    clock,
    log: quiet,
    events: { emit: (event) => void events.push(event) },
    output: {
      takeContainer(chunk) {
        if (!taking()) return false;
        chunks.push(chunk);
        positions.set(chunk.containerId, chunk.position);
        return true;
      },
      ready,
      missed: (source, from, to) => void missed.push(`${source} ${from} ${to}`),
      containerPosition: (of) => positions.get(of),
      setContainerPosition: (of, position) => void positions.set(of, position),
      keepContainerPositions(ids) {
        for (const of of positions.keys()) if (!ids.has(of)) positions.delete(of);
      },
      containerTail: (_source, _id, most) => lines().slice(-most),
    },
  });
  return {
    ...room,
    clock,
    chunks,
    events,
    lines,
    missed,
    available: () => room.snapshot("heartbeat").docker.available,
    [Symbol.asyncDispose]: async () => room.stop(),
  };
}

describe("a host without an engine", () => {
  test("has no containers and nothing is wrong with it, until there is one", async () => {
    await using folder = temporaryFolder();
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    expect(room.snapshot("heartbeat")).toEqual({ docker: { available: false, error: null }, containers: [] });
    expect(room.problems()).toEqual([]);
    expect(room.clock.waiting()).toBe(0);
    await using _engine = startFakeEngine(folder.at("docker.sock"));
    await room.refresh("heartbeat");
    expect(room.available()).toBe(true);
  });
});

describe("an engine", () => {
  test("that does not listen is named with what to do, and asked again ever more seldom", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("docker.sock"), "");
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    expect(room.snapshot("status").docker).toEqual({
      available: false,
      error: expect.stringMatching(/does not answer: nobody listens on it\. Is the engine running\? systemctl status/),
    });
    expect(room.problems()).toMatchObject([
      { what: "containers are not watched", todo: expect.stringMatching(/running/) },
    ]);
  });

  // root may use every socket
  test.skipIf(process.getuid?.() === 0)("that may not be used is named with the group to join", async () => {
    await using folder = temporaryFolder();
    await using _engine = startFakeEngine(folder.at("docker.sock"));
    chmodSync(folder.at("docker.sock"), 0);
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    expect(room.snapshot("status").docker.error).toMatch(/user may not use .*docker\.sock.*group/);
  });

  test("whose API is too old is named with its version", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.apiVersion = "1.18";
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    expect(room.snapshot("status").docker.error).toMatch(/API 1\.18 is older than 1\.24.*upgrade the engine/);
  });

  test("that goes away and comes back is connected to again after the back-off", async () => {
    await using folder = temporaryFolder();
    const first = startFakeEngine(folder.at("docker.sock"));
    first.containers.set(id, container());
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    expect(room.snapshot("heartbeat").containers).toMatchObject([{ name: "web", state: "running", source: "web" }]);
    first.stop();
    await until(() => !room.available(), "the end of the connection");
    expect(room.snapshot("heartbeat")).toMatchObject({
      docker: { error: expect.stringMatching(/hung up/) },
      containers: [],
    });
    await using again = startFakeEngine(folder.at("docker.sock"));
    // it ended while nobody could see it
    again.containers.set(id, container({ running: false, exitCode: 7 }));
    room.clock.advance(999);
    expect(again.asked).toEqual([]);
    room.clock.advance(1);
    await until(() => room.available(), "the new connection");
    await until(() => room.events.length > 0, "the news of the death");
    expect(room.events).toMatchObject([
      { type: "container.died", cause: "failed", exitCode: 7, observed: false, container: "web" },
    ]);
  });
});

describe("a container", () => {
  test("has its lines read once, however often its log is opened", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("one", "two"));
    await using room = openRoom(folder);
    room.start();
    await until(() => room.lines().length === 2, "its lines");
    const before = engine.asked.length;
    engine.logs.set(id, logOf("one", "two", "three"));
    await until(() => {
      room.clock.advance(1000);
      return room.lines().length === 3;
    }, "its next line");
    expect(room.lines()).toEqual(["one", "two", "three"]);
    expect(engine.asked.slice(before).find((path) => path.includes("/logs"))).toMatch(/since=\d+/);
    expect(room.chunks[0]).toMatchObject({ source: "web", container: "web", containerId: id });
  });

  test("whose lines nobody can take yet waits with them", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("one"));
    let taking = false;
    let refused = 0;
    await using room = openRoom(folder, { taking: () => (taking ? true : (refused++, false)) });
    room.start();
    await until(() => refused > 0, "the first offer");
    room.clock.advance(100);
    expect(refused).toBe(2);
    taking = true;
    room.clock.advance(100);
    expect(room.lines()).toEqual(["one"]);
  });

  // Before, the engine waited in the middle of its log for as long as the hub was away, and what it rotated away
  // meanwhile was skipped without a word.
  test("is left alone while there is no room for its lines, and read on from its position when there is", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.follows = true;
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("one"));
    let room = true;
    await using held = openRoom(folder, { ready: () => room });
    held.start();
    await until(() => held.lines().length === 1, "its first line");
    const reads = (): string[] => engine.asked.filter((path) => path.includes("/logs"));
    room = false;
    engine.logs.set(id, logOf("one", "two"));
    engine.cut();
    await until(() => {
      held.clock.advance(100);
      return reads().length === 2;
    }, "its log opened again");
    await until(() => {
      held.clock.advance(100);
      return engine.following() === 0;
    }, "its log closed");
    held.clock.advance(60_000);
    expect(reads()).toHaveLength(2);
    engine.logs.set(id, logOf("one", "two", "three"));
    room = true;
    await until(() => {
      held.clock.advance(100);
      return held.lines().length === 3;
    }, "its lines");
    expect(held.lines()).toEqual(["one", "two", "three"]);
    expect(reads().at(-1)).toMatch(/since=\d+/);
    expect(held.missed).toEqual([]);
  });

  test("whose engine threw away what was not read, or that is gone itself by then, has its loss counted", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.follows = true;
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("one"));
    const positions = new Map<string, string>();
    {
      await using first = openRoom(folder, { positions });
      first.start();
      await until(() => first.lines().length === 1, "its first line");
    }
    // rotated meanwhile: what it holds now begins behind what was taken
    engine.logs.set(id, logOf("one", "two", "three").subarray(logOf("one", "two").length));
    let room = true;
    await using second = openRoom(folder, { positions, ready: () => room });
    second.start();
    await until(() => second.lines().length === 1, "its next line");
    expect(second.missed).toEqual(["web 2030-01-01T00:00:00.000000000Z 2030-01-01T00:00:00.000000002Z"]);
    room = false;
    engine.logs.set(id, logOf("one", "two", "three", "four"));
    engine.cut();
    await until(() => {
      second.clock.advance(100);
      return engine.following() === 1;
    }, "its log opened again");
    await until(() => {
      second.clock.advance(100);
      return engine.following() === 0;
    }, "its log closed");
    engine.containers.delete(id);
    engine.happen({ Action: "destroy", Actor: { ID: id } });
    await until(() => {
      second.clock.advance(1000);
      return second.missed.length === 2;
    }, "the loss");
    expect(second.missed[1]).toMatch(/^web 2030-01-01T00:00:00.000000002Z 2026-01-01T00:0/);
    expect(second.lines()).toEqual(["three"]);
  });

  test("that ends while there is no room has its last lines taken all the same: its log may go with it", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    await using room = openRoom(folder, { ready: () => false });
    room.start();
    await until(() => room.available(), "the connection");
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("last words"));
    engine.happen({ Action: "start", Actor: { ID: id } });
    await until(() => engine.asked.some((path) => path.includes("/logs")), "its log opened");
    expect(room.lines()).toEqual([]);
    engine.happen({ Action: "die", Actor: { ID: id, Attributes: { exitCode: "0" } } });
    await until(() => room.lines().length === 1, "its line");
  });

  test("is not read when its label, or the setting, says so", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.containers.set(id, container({ labels: { "orion.logs": "false" } }));
    await using room = openRoom(folder);
    room.start();
    await room.refresh("heartbeat");
    engine.containers.set(id, container());
    await using silent = openRoom(folder, { logs: false });
    silent.start();
    await silent.refresh("heartbeat");
    expect(silent.snapshot("heartbeat").containers).toHaveLength(1);
    expect(engine.asked.filter((path) => path.includes("/logs"))).toEqual([]);
  });

  test("has figures for who looks for the first time: those of the last heartbeat, until newer ones are read", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.containers.set(id, container());
    const reading = (total: number, system: number, usage: number) => ({
      cpu_stats: { cpu_usage: { total_usage: total }, system_cpu_usage: system, online_cpus: 2 },
      memory_stats: { usage, limit: 1000, stats: {} },
    });
    await using room = openRoom(folder);
    room.start();
    const seen = (reader: "heartbeat" | "status") => room.snapshot(reader).containers[0];
    engine.stats = reading(100, 1000, 10);
    await until(room.available, "the engine is watched");
    await room.refresh("heartbeat");
    room.clock.advance(30_000);
    engine.stats = reading(200, 2000, 20);
    await room.refresh("heartbeat");
    expect(seen("status")).toMatchObject({ cpu: 20, memory: { usage: 20 } });
    room.clock.advance(1000);
    engine.stats = reading(700, 3000, 30);
    await room.refresh("status");
    expect(seen("status")).toMatchObject({ cpu: 100, memory: { usage: 30 } });
    // whoever looks in between doesn't shorten the heartbeat's span
    expect(seen("heartbeat")).toMatchObject({ cpu: 20, memory: { usage: 20 } });
  });

  test("that becomes unhealthy and well again is told of, with what its check said", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    engine.containers.set(id, container({ health: "starting" }));
    await using room = openRoom(folder);
    room.start();
    await until(() => room.available(), "the connection");
    for (const health of ["healthy", "unhealthy", "healthy"]) {
      const told = room.events.length;
      engine.containers.set(id, container({ health }));
      engine.happen({ Action: `health_status: ${health}`, Actor: { ID: id } });
      await until(() => room.snapshot("status").containers[0]?.health === health, health);
      // being well is news only after it was not
      if (told > 0 || health === "unhealthy") await until(() => room.events.length > told, "the news");
    }
    expect(room.events).toMatchObject([
      { type: "container.unhealthy", check: "refused", failures: 3 },
      { type: "container.healthy" },
    ]);
  });

  test("that is made, runs and is taken away leaves nothing behind", async () => {
    await using folder = temporaryFolder();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    await using room = openRoom(folder);
    room.start();
    await until(() => room.available(), "the connection");
    engine.containers.set(id, container());
    engine.logs.set(id, logOf("last words"));
    engine.happen({ Action: "start", Actor: { ID: id } });
    await until(() => room.lines().length === 1, "its line");
    engine.containers.set(id, container({ running: false, exitCode: 137 }));
    engine.happen({ Action: "kill", Actor: { ID: id, Attributes: { signal: "15" } } });
    engine.happen({ Action: "die", Actor: { ID: id, Attributes: { exitCode: "137" } } });
    await until(() => room.events.length > 0, "the news");
    expect(room.events).toMatchObject([
      { type: "container.died", cause: "stopped", exitCode: 137, signal: "SIGKILL", tail: ["last words"] },
    ]);
    engine.containers.delete(id);
    engine.happen({ Action: "destroy", Actor: { ID: id } });
    await until(() => room.snapshot("status").containers.length === 0, "its end");
    expect(room.sourceOf("web")).toBeUndefined();
  });
});
