/** Containers and delivery together: what the engine keeps reaches the hub, whatever is away or restarted meanwhile. */
import { describe, expect, test } from "bun:test";

import { createContainers } from "#src/agent/containers/containers.ts";
import { createDelivery } from "#src/agent/delivery/delivery.ts";
import type { DeliveryOptions } from "#src/agent/delivery/door.ts";
import { type TestClock, createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { type StreamHub, startStreamHub } from "../delivery/stream-hub.ts";
import { type FakeEngine, startFakeEngine } from "./fake-engine.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const id = "fedcba9876543210".repeat(4);
const maxEntries = 100;

/** As an agent plugs the two together. */
function startBoth(folder: Folder, hub: StreamHub, clock: TestClock) {
  const delivery = createDelivery(
    {
      bufferPath: folder.at("buffer.jsonl"),
      overflowDir: folder.at("overflow"),
      maxEntries,
      maxBytes: 64 * 1024 * 1024,
      connection: { apiUrl: hub.url, token: "t", serverId: "s" },
      userAgent: "orion-agent/0.0.0",
      bootId: "boot-1",
      heartbeatSeconds: 300,
      heartbeat: () => ({}) as ReturnType<DeliveryOptions["heartbeat"]>,
    },
    { clock, log: quiet },
  );
  const containers = createContainers({
    socketPath: folder.at("docker.sock"),
    logs: true,
    rules: { include: [], exclude: [] },
    clock,
    log: quiet,
    events: delivery,
    output: {
      ...delivery,
      ready: () => delivery.readyForContainers(),
      missed: (source, from, to) => delivery.missedOfContainer(source, from, to),
    },
  });
  delivery.open();
  containers.start();
  delivery.start();
  return {
    delivery,
    containers,
    async [Symbol.asyncDispose]() {
      containers.stop();
      await delivery.stop(0);
    },
  };
}

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

/** Lines in frames, ten a second. */
function logOf(count: number): Buffer {
  const frames = numbered(0, count).map((line, index) => {
    const second = String(Math.floor(index / 10) % 60).padStart(2, "0");
    const minute = String(Math.floor(index / 600)).padStart(2, "0");
    const nanos = String((index % 10) * 100_000_000 + 1).padStart(9, "0");
    const body = Buffer.from(`2030-01-01T00:${minute}:${second}.${nanos}Z ${line}\n`);
    return Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, body.length]), body]);
  });
  return Buffer.concat(frames);
}

function startContainer(engine: FakeEngine): void {
  engine.follows = true;
  engine.containers.set(id, {
    Id: id,
    Name: "/web",
    Config: { Image: "nginx", Tty: false, Labels: {} },
    State: { Status: "running", Running: true, ExitCode: 0, StartedAt: "2030-01-01T00:00:00Z" },
  });
}

const ofContainer = (hub: StreamHub): string[] =>
  hub.entries.filter(({ stream }) => stream === "container").map(({ message }) => message);

describe("an agent whose hub is away", () => {
  test("is restarted with its buffer full of a script's lines, and no line of a container is missing in the end", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using engine = startFakeEngine(folder.at("docker.sock"));
    startContainer(engine);
    const clock = createTestClock();
    /** Lets time pass until the condition holds. */
    const passing = async (condition: () => boolean, what: string): Promise<void> => {
      const ticking = (): boolean => {
        clock.advance(200);
        return condition();
      };
      await until(ticking, what);
    };
    let printed = 20;
    let position = 0;
    let script = 0;
    const print = (count: number): void => {
      printed += count;
      engine.logs.set(id, logOf(printed));
      engine.cut();
    };
    engine.logs.set(id, logOf(printed));
    {
      await using first = startBoth(folder, hub, clock);
      await passing(() => ofContainer(hub).length === 20, "the first lines in the hub");
      hub.handshake = 503;
      hub.post = 503;
      hub.cut();
      // with the sender's first failure it counts as away
      first.delivery.log({ level: "info", message: "away", source: "cli" });
      await passing(() => first.delivery.status().state === "away", "that it is away");
      print(30);
      await passing(
        () => !first.delivery.readyForContainers() || first.delivery.status().ledger.buffered >= 31,
        "lines",
      );
      for (let round = 0; round < 10; round++) {
        const text = Buffer.from(`${numbered(script, (script += 50)).join("\n")}\n`);
        position += text.length;
        expect(first.delivery.take({ source: "app", stream: "stdout", bytes: text, end: position })).toBe(true);
      }
      print(400);
      // the log as it is now comes in one piece; what follows is beyond the containers' share
      await passing(() => !first.delivery.readyForContainers(), "a share that is used up");
    }
    print(100);
    {
      await using second = startBoth(folder, hub, clock);
      await passing(() => second.containers.snapshot("status").docker.available, "the engine");
      await passing(() => second.delivery.status().state === "away", "that it is still away");
      const before = second.delivery.status().ledger.buffered;
      print(100);
      clock.advance(60_000);
      expect(second.delivery.status().ledger.buffered).toBe(before);
    }
    await using third = startBoth(folder, hub, clock);
    Object.assign(hub, { handshake: 101, post: 202 });
    await passing(() => ofContainer(hub).length === printed, "every line of the container");
    expect(ofContainer(hub)).toEqual(numbered(0, printed));
    await passing(() => third.delivery.status().ledger.buffered === 0, "an empty buffer");
    // of the script the newest: what did not fit was dropped, and counted
    const kept = hub.entries.filter(({ source }) => source === "app").map(({ message }) => message);
    expect(kept).toEqual(numbered(script - kept.length, script));
    expect(kept.length).toBeGreaterThanOrEqual(maxEntries / 2);
    expect(third.delivery.status().ledger.dropped).toBe(script + 1 - kept.length);
  }, 20_000);
});
