/** Lines of containers on their way: over the stream while it is open, by POST else, never lost and never twice. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { createDelivery } from "#src/agent/delivery/delivery.ts";
import type { Delivery, DeliveryOptions } from "#src/agent/delivery/door.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { streamCloses } from "#src/protocol/stream.ts";
import { type TestClock, createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { createAuthority } from "./authority.ts";
import { type StreamHub, startStreamHub } from "./stream-hub.ts";

// a stream comes back after a second at the earliest, and the machine may be busy
setDefaultTimeout(20_000);

type Opened = Delivery & AsyncDisposable & { readonly said: string[] };

function open(folder: string, hub: StreamHub, over: Partial<DeliveryOptions> & { clock?: TestClock } = {}): Opened {
  const { clock = systemClock, ...rest } = over;
  const said: string[] = [];
  const say = (message: string): void => void said.push(message);
  const delivery = createDelivery(
    {
      bufferPath: `${folder}/buffer.jsonl`,
      overflowDir: `${folder}/overflow`,
      maxEntries: 1000,
      maxBytes: 64 * 1024 * 1024,
      connection: { apiUrl: hub.url, token: "t", serverId: "s" },
      userAgent: "orion-agent/0.0.0",
      bootId: "boot-1",
      heartbeatSeconds: 300,
      heartbeat: () => ({}) as ReturnType<DeliveryOptions["heartbeat"]>,
      ...rest,
    },
    { clock, log: { debug() {}, info: say, warn: say, error: say } },
  );
  delivery.open();
  delivery.start();
  return Object.assign(delivery, { said, [Symbol.asyncDispose]: () => delivery.stop(0) });
}

let taken = 0;
/** Takes lines of a container as its reader would; they are numbered on. */
function takeContainer(delivery: Delivery, count: number, length = 8): string[] {
  const messages = Array.from({ length: count }, () => `c${++taken}`.padEnd(length, "."));
  const lines = messages.map((message) => ({
    at: "2030-01-01T00:00:00.000000000Z",
    stream: "stdout" as const,
    message,
  }));
  const chunk = { source: "web", container: "web-1", containerId: "abc", lines, position: `${taken} - -` };
  expect(delivery.takeContainer(chunk)).toBe(true);
  return messages;
}

let position = 0;
function takeScript(delivery: Delivery, count: number): string[] {
  const messages = Array.from({ length: count }, () => `s${++taken}`);
  const bytes = Buffer.from(messages.map((line) => `${line}\n`).join(""));
  position += bytes.length;
  expect(delivery.take({ source: "app", stream: "stdout", bytes, end: position })).toBe(true);
  return messages;
}

const messages = (entries: readonly LogEntry[]): string[] => entries.map(({ message }) => message);
const acknowledged = async (delivery: Delivery): Promise<void> =>
  void (await until(() => delivery.status().ledger.buffered === 0, "everything acknowledged"));

/** Lets time pass until the hub counts as away. */
async function away(delivery: Delivery, clock: TestClock): Promise<void> {
  const isAway = (): boolean => {
    clock.advance(250);
    return delivery.status().state === "away";
  };
  await until(isAway, "that it is away");
}

/** Sends a first line, by which the stream is opened. */
async function streaming(delivery: Delivery, hub: StreamHub): Promise<string[]> {
  const first = takeContainer(delivery, 1);
  await acknowledged(delivery);
  await until(() => hub.streams() === 1, "a stream");
  // a frame says that the agent knows it
  const second = takeContainer(delivery, 1);
  await acknowledged(delivery);
  return [...first, ...second];
}

describe("the stream", () => {
  test("is opened when there are lines of containers, and carries them; those of scripts alone go by POST", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using delivery = open(folder.path, hub);
    const script = takeScript(delivery, 3);
    await acknowledged(delivery);
    expect(hub.handshakes).toBe(0);
    const first = await streaming(delivery, hub);
    const both = [...takeScript(delivery, 2), ...takeContainer(delivery, 2), ...takeScript(delivery, 2)];
    await acknowledged(delivery);
    const alone = takeScript(delivery, 1);
    await acknowledged(delivery);
    expect(hub.ways).toEqual(["post", "post", "frame", "frame", "post"]);
    expect(messages(hub.entries)).toEqual([...script, ...first, ...both, ...alone]);
    expect(hub.repeats()).toBe(0);
    expect(hub.entries[3]).toMatchObject({ stream: "container", at: "2030-01-01T00:00:00.000000000Z" });
  });

  test("carries large frames compressed, several on their way, and one answer is for all before it", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using delivery = open(folder.path, hub, { maxEntries: 1_000_000 });
    const first = await streaming(delivery, hub);
    hub.answer = "hold";
    const many: string[] = [];
    for (let i = 0; i < 40; i++) many.push(...takeContainer(delivery, 100, 2000));
    await until(() => hub.held() >= 2, "frames on their way");
    // bounded: eight megabytes wait, four of them may be on their way
    expect(delivery.status().ledger.buffered).toBe(4000);
    expect(hub.held()).toBeLessThan(4);
    hub.answer = "ack";
    hub.release();
    await acknowledged(delivery);
    expect(messages(hub.entries)).toEqual([...first, ...many]);
    expect(Math.max(...hub.binary)).toBeGreaterThan(0);
    expect(hub.binary.every((size) => size < 1024 * 1024)).toBe(true);
    expect(hub.repeats()).toBe(0);
  });

  test("trusts the authority in caFile as the requests do, and no other", async () => {
    await using folder = temporaryFolder();
    await using ours = createAuthority();
    await using theirs = createAuthority();
    await using hub = startStreamHub(ours.sign("DNS:localhost"));
    const connection = { apiUrl: hub.url, token: "t", serverId: "s", caFile: theirs.caFile };
    await using delivery = open(folder.path, hub, { connection });
    const first = takeContainer(delivery, 1);
    await until(() => delivery.status().lastError !== null, "the refusal of its certificate");
    expect([hub.handshakes, hub.ways.length]).toEqual([0, 0]);
    delivery.connect({ ...connection, caFile: ours.caFile });
    await acknowledged(delivery);
    const rest = await streaming(delivery, hub);
    expect(messages(hub.entries)).toEqual([...first, ...rest]);
    expect(hub.ways.at(-1)).toBe("frame");
  });

  for (const status of [404, 426]) {
    test(`that is answered ${status} is tried again ever more seldom, and everything goes by POST`, async () => {
      await using folder = temporaryFolder();
      await using hub = startStreamHub();
      hub.handshake = status;
      const clock = createTestClock();
      await using delivery = open(folder.path, hub, { clock });
      const lines = takeContainer(delivery, 5);
      clock.advance(250);
      await acknowledged(delivery);
      expect(messages(hub.entries)).toEqual(lines);
      const attempts: number[] = [];
      await until(() => {
        if (hub.handshakes > attempts.length) attempts.push(clock.monotonic());
        else clock.advance(200);
        return attempts.length === 6;
      }, "six attempts");
      const waits = attempts.slice(1).map((at, index) => at - (attempts[index] ?? 0));
      for (const [index, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(1000 * 2 ** index - 200);
      hub.handshake = 101;
      await until(() => {
        clock.advance(1000);
        return hub.streams() === 1;
      }, "a stream");
    });
  }

  test("that drops with frames on their way has them sent again, and the hub sees each once", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using delivery = open(folder.path, hub);
    const lines = await streaming(delivery, hub);
    hub.answer = "lose";
    lines.push(...takeContainer(delivery, 10));
    await until(() => hub.entries.length === 12, "the frame");
    hub.answer = "ack";
    hub.cut();
    await acknowledged(delivery);
    expect(messages(hub.entries)).toEqual(lines);
    expect(hub.repeats()).toBe(10);
    expect(hub.streams()).toBe(1);
  });

  test("that is closed for a token that is dead says so, and a new one is used at once", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using delivery = open(folder.path, hub);
    const lines = await streaming(delivery, hub);
    hub.answer = { close: streamCloses.token };
    hub.handshake = 401;
    hub.post = 401;
    lines.push(...takeContainer(delivery, 1));
    await until(() => delivery.status().state === "refused", "the refusal");
    expect(delivery.said.filter((line) => /rotated or revoked/.test(line))).toHaveLength(1);
    Object.assign(hub, { answer: "ack", handshake: 101, post: 202 });
    delivery.connect({ apiUrl: hub.url, token: "new", serverId: "s" });
    await acknowledged(delivery);
    expect(messages(hub.entries)).toEqual(lines);
    expect(delivery.status().state).toBe("online");
  });

  for (const [name, close] of Object.entries(streamCloses).filter(([key]) =>
    ["garbled", "tooLarge", "invalid"].includes(key),
  )) {
    test(`that is closed for a frame that is ${name} leaves it to a POST, and is opened again`, async () => {
      await using folder = temporaryFolder();
      await using hub = startStreamHub();
      await using delivery = open(folder.path, hub);
      const lines = await streaming(delivery, hub);
      hub.answer = { close };
      lines.push(...takeContainer(delivery, 3));
      await acknowledged(delivery);
      expect(hub.ways.slice(-2)).toEqual(["frame", "post"]);
      hub.answer = "ack";
      await until(() => hub.streams() === 1, "a stream");
      lines.push(...takeContainer(delivery, 1));
      await acknowledged(delivery);
      expect(messages(hub.entries)).toEqual(lines);
      expect(hub.repeats()).toBe(0);
      expect(delivery.status().ledger.dropped).toBe(0);
    });
  }

  test("that nothing is heard of for 90 seconds is dead, and one that does not acknowledge is dropped after 30", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    const clock = createTestClock();
    await using delivery = open(folder.path, hub, { clock });
    takeContainer(delivery, 1);
    clock.advance(250);
    await acknowledged(delivery);
    await until(() => hub.streams() === 1, "a stream");
    hub.answer = "hold";
    // until the agent knows that it is open, a line goes by POST
    await until(() => {
      if (hub.held() > 0) return true;
      if (delivery.status().ledger.buffered === 0) takeContainer(delivery, 1);
      clock.advance(250);
      return false;
    }, "a frame");
    clock.advance(30_000);
    await until(() => delivery.status().lastError !== null, "the end of the stream");
    expect(delivery.status()).toMatchObject({ state: "away", lastError: "no acknowledgement within 30 s" });
    hub.answer = "ack";
    await until(() => {
      clock.advance(200);
      return delivery.status().ledger.buffered === 0 && hub.streams() === 1;
    }, "a new one");
    expect(hub.handshakes).toBe(2);
    // answers to pings can't come while the clock jumps
    clock.advance(100_000);
    await until(() => {
      clock.advance(200);
      return hub.handshakes === 3;
    }, "another one");
  });
});

describe("while the hub is away", () => {
  test("containers are held at half of the buffer, scripts go on, and not one line of a container is dropped", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    hub.handshake = 503;
    hub.post = 503;
    const kept: string[] = [];
    let newest: string[] = [];
    {
      const clock = createTestClock();
      await using delivery = open(folder.path, hub, { clock, maxEntries: 100 });
      kept.push(...takeContainer(delivery, 10));
      await away(delivery, clock);
      while (delivery.readyForContainers()) kept.push(...takeContainer(delivery, 10), ...takeScript(delivery, 0));
      expect(kept).toHaveLength(50);
      expect(delivery.ready()).toBe(true);
      for (let i = 0; i < 40; i++) newest = takeScript(delivery, 50);
      expect(delivery.status().ledger).toMatchObject({ buffered: 100, dropped: 1950 });
      expect(delivery.containerPosition("abc")).toMatch(/ - -$/);
    }
    // the next agent finds the same, also what was written between lines that are gone
    Object.assign(hub, { handshake: 101, post: 202 });
    await using delivery = open(folder.path, hub, { maxEntries: 100 });
    expect(delivery.status().ledger.buffered).toBe(100);
    await acknowledged(delivery);
    expect(messages(hub.entries)).toEqual([...kept, ...newest]);
    expect(delivery.readyForContainers()).toBe(true);
  });

  test("lines that came while it was there are kept however many they are, and scripts keep their share", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    const clock = createTestClock();
    await using delivery = open(folder.path, hub, { clock, maxEntries: 100 });
    hub.handshake = 503;
    hub.post = 503;
    const kept = takeContainer(delivery, 500);
    await away(delivery, clock);
    expect(delivery.readyForContainers()).toBe(false);
    let newest: string[] = [];
    for (let i = 0; i < 4; i++) newest = takeScript(delivery, 50);
    expect(delivery.status().ledger).toMatchObject({ buffered: 550, dropped: 150 });
    Object.assign(hub, { handshake: 101, post: 202 });
    await until(() => {
      clock.advance(1000);
      return delivery.status().ledger.buffered === 0;
    }, "everything acknowledged");
    expect(messages(hub.entries)).toEqual([...kept, ...newest]);
  });

  test("a script that floods the disk between lines of containers holds these back, not the disk", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    hub.handshake = 503;
    hub.post = 503;
    const clock = createTestClock();
    await using delivery = open(folder.path, hub, { clock, maxEntries: 1000, maxBytes: 32 * 1024 * 1024 });
    takeContainer(delivery, 1);
    await away(delivery, clock);
    const flood = Buffer.from(`${"x".repeat(1000)}\n`.repeat(60));
    let rounds = 0;
    for (; delivery.readyForContainers() && rounds < 5000; rounds++) {
      takeContainer(delivery, 1);
      position += flood.length;
      delivery.take({ source: "app", stream: "stdout", bytes: flood, end: position });
    }
    // 16 MiB of files, in segments of eight
    expect(rounds).toBeGreaterThan(100);
    expect(rounds).toBeLessThan(450);
  });

  test("lines of containers count among the oldest where no hub is configured, since nobody will take them", async () => {
    await using folder = temporaryFolder();
    await using hub = startStreamHub();
    await using delivery = open(folder.path, hub, { connection: null, maxEntries: 100 });
    for (let i = 0; i < 20; i++) {
      expect(delivery.readyForContainers()).toBe(true);
      takeContainer(delivery, 10);
    }
    expect(delivery.status().ledger).toMatchObject({ buffered: 100, dropped: 100 });
  });
});
