import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";

import { createDelivery } from "#src/agent/delivery/delivery.ts";
import type { Delivery, DeliveryOptions } from "#src/agent/delivery/door.ts";
import { type Clock, systemClock } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type RecordingHub, startRecordingHub } from "#test/kit/recording-hub.ts";
import { until } from "#test/kit/wait.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

type Opened = Delivery & AsyncDisposable;

function open(
  folder: string,
  over: Partial<DeliveryOptions> & { hub?: RecordingHub } = {},
  clock: Clock = systemClock,
): Opened {
  const { hub, ...rest } = over;
  const delivery = createDelivery(
    {
      bufferPath: `${folder}/buffer.jsonl`,
      overflowDir: `${folder}/overflow`,
      maxEntries: 10_000,
      maxBytes: 64 * 1024 * 1024,
      connection: hub === undefined ? null : { apiUrl: hub.url, token: "t", serverId: "s" },
      userAgent: "orion-agent/0.0.0",
      bootId: "boot-1",
      heartbeatSeconds: 300,
      heartbeat: () => ({}) as ReturnType<DeliveryOptions["heartbeat"]>,
      ...rest,
    },
    { clock, log: silent },
  );
  delivery.open();
  return Object.assign(delivery, { [Symbol.asyncDispose]: () => delivery.stop(0) });
}

let position = 0;
function take(delivery: Delivery, lines: readonly string[], source = "app"): boolean {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
  position += bytes.length;
  return delivery.take({ source, stream: "stdout", bytes, end: position });
}

const messages = (entries: readonly LogEntry[]): string[] => entries.map(({ message }) => message);
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

describe("delivery", () => {
  // Before, the kept end of such a line was read as if it were an entry: reading failed, and with it whoever asked for
  // the tail, such as the handling of a crash, which then neither alerted nor restarted.
  test("shows the beginning of a line that is longer than all that is kept of a source", async () => {
    await using folder = temporaryFolder();
    for (const before of [[], ["small"]]) {
      await using delivery = open(folder.at(String(before.length)));
      take(delivery, [...before, "x".repeat(300_000)], "long");
      expect(delivery.tail("long", 1)).toEqual([`${"x".repeat(16_384)}… (300000 characters)`]);
      take(delivery, ["next"], "long");
      expect(delivery.tail("long", 1)).toEqual(["next"]);
      take(delivery, ["y".repeat(200_000), "z".repeat(100_000)], "long");
      expect(delivery.tail("long", 20)).toEqual(["z".repeat(100_000)]);
    }
  });

  test("sends what was taken, in order, and keeps nothing of it on disk", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { hub });
    delivery.start();
    for (let i = 0; i < 50; i++) take(delivery, numbered(i * 100, (i + 1) * 100));
    await until(() => delivery.status().ledger.acknowledged === 5000, "everything acknowledged");
    expect(messages(hub.entries)).toEqual(numbered(0, 5000));
    expect(statSync(folder.at("buffer.jsonl")).size).toBe(0);
    expect(delivery.status().ledger).toMatchObject({ read: 5000, buffered: 0, dropped: 0 });
  });

  test("buffers while the hub is away and goes on in order when it is back, in the same process or the next", async () => {
    await using folder = temporaryFolder();
    {
      await using delivery = open(folder.path);
      take(delivery, numbered(0, 10));
      delivery.log({ level: "warn", message: "by hand", source: "cli" });
    }
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { hub });
    take(delivery, numbered(10, 20));
    delivery.start();
    await until(() => hub.entries.length === 21, "all entries");
    expect(messages(hub.entries)).toEqual([...numbered(0, 10), "by hand", ...numbered(10, 20)]);
    const numbers = hub.entries.map(({ seq }) => seq);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  test("an answer that is lost on its way leads to a repeat with the same numbers", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    const clock = createTestClock();
    let lost = 0;
    hub.mood = (path) => (path.endsWith("/logs") && lost++ === 0 ? "lose" : "take");
    await using delivery = open(folder.path, { hub }, clock);
    delivery.start();
    take(delivery, numbered(0, 5));
    clock.advance(250);
    await until(() => delivery.status().nextAttemptAt !== null, "a failed attempt");
    clock.advance(5_000);
    await until(() => delivery.status().ledger.acknowledged === 5, "acknowledged");
    expect(messages(hub.entries)).toEqual(numbered(0, 5));
    expect(hub.repeats).toBe(5);
  });

  test("waits 5, 10, 30, then 60 seconds between attempts", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    const clock = createTestClock();
    hub.mood = () => 500;
    await using delivery = open(folder.path, { hub }, clock);
    take(delivery, ["x"]);
    delivery.start();
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      const attempt = await until(() => delivery.status().nextAttemptAt, "an attempt that failed");
      waits.push(Date.parse(attempt) - clock.now());
      const before = hub.requests;
      clock.advance(Date.parse(attempt) - clock.now());
      await until(() => hub.requests > before, "the next attempt");
    }
    expect(waits).toEqual([5_000, 10_000, 30_000, 60_000, 60_000]);
  });

  test("drops the oldest above the limit while the hub is away, and tells how many of which source", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { maxEntries: 1000 });
    for (let i = 0; i < 30; i++) take(delivery, numbered(i * 100, (i + 1) * 100), i < 10 ? "early" : "late");
    expect(delivery.status().ledger).toMatchObject({ read: 3000, buffered: 1000, dropped: 2000 });
    delivery.connect({ apiUrl: hub.url, token: "t", serverId: "s" });
    delivery.start();
    await until(() => hub.events.length === 1, "the event of the loss");
    expect(messages(hub.entries)).toEqual(numbered(2000, 3000));
    expect(hub.events[0]).toMatchObject({
      type: "logs.dropped",
      total: 2000,
      sources: [
        { source: "early", count: 1000 },
        { source: "late", count: 1000 },
      ],
    });
  });

  test("what was dropped stays counted over a restart", async () => {
    await using folder = temporaryFolder();
    {
      await using delivery = open(folder.path, { maxEntries: 100 });
      take(delivery, numbered(0, 250));
    }
    await using delivery = open(folder.path, { maxEntries: 100 });
    expect(delivery.status().ledger).toMatchObject({ read: 250, buffered: 100, dropped: 150 });
  });

  test("keeps events when it drops lines, and sends them in their place", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { maxEntries: 100 });
    delivery.emit({ type: "agent.started", at: new Date().toISOString(), version: "1", reason: "test" });
    take(delivery, numbered(0, 300));
    delivery.connect({ apiUrl: hub.url, token: "t", serverId: "s" });
    delivery.start();
    await until(() => hub.entries.length === 100 && hub.events.length === 2, "lines and events");
    expect(hub.events.map(({ type }) => type)).toEqual(["agent.started", "logs.dropped"]);
    expect(messages(hub.entries)).toEqual(numbered(200, 300));
  });

  test("while the hub acknowledges, nothing is dropped however much comes: the pipe holds it back", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { hub, maxEntries: 100 });
    delivery.start();
    const line = "x".repeat(1000);
    for (let i = 0; i < 100; i++) {
      await until(() => delivery.ready(), "room");
      take(
        delivery,
        Array.from({ length: 500 }, () => line),
      );
    }
    await until(() => hub.entries.length === 50_000, "all lines");
    expect(delivery.status().ledger.dropped).toBe(0);
  });

  test("a wrong token keeps everything, and a new one is used at once", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    hub.mood = () => 401;
    await using delivery = open(folder.path, { hub });
    delivery.start();
    take(delivery, numbered(0, 3));
    await until(() => delivery.status().state === "refused", "refusal");
    hub.mood = () => "take";
    delivery.connect({ apiUrl: hub.url, token: "new", serverId: "s" });
    await until(() => delivery.status().ledger.acknowledged === 3, "acknowledged");
    expect(messages(hub.entries)).toEqual(numbered(0, 3));
  });

  test.each([400, 413] as const)("an entry that the hub answers with %i costs only itself", async (status) => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    hub.mood = (_path, entries) => (entries.some(({ message }) => message === "line 33") ? status : "take");
    await using delivery = open(folder.path, { hub });
    take(delivery, numbered(0, 100));
    delivery.start();
    await until(() => hub.entries.length === 99 && hub.events.length === 1, "all others and the event");
    expect(messages(hub.entries)).toEqual(numbered(0, 100).filter((line) => line !== "line 33"));
    expect(hub.events[0]).toMatchObject({ type: "logs.dropped", total: 1 });
  });

  test("numbers jump ahead after a reboot and never start again from the beginning", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    for (const bootId of ["boot-1", "boot-2"]) {
      await using delivery = open(folder.path, { hub, bootId });
      delivery.start();
      take(delivery, [bootId]);
      const want = bootId === "boot-1" ? 1 : 2;
      await until(() => hub.entries.length === want, "the line");
    }
    const [first, second] = hub.entries.map(({ seq }) => seq);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(1_000_000);
    expect(first ?? 0).toBeGreaterThan(1_000_000_000_000);
  });

  test("a torn last write is cut off; the lines before it and the stream's position stay", async () => {
    await using folder = temporaryFolder();
    position = 0;
    {
      await using delivery = open(folder.path);
      take(delivery, numbered(0, 3));
    }
    const whole = position;
    const path = folder.at("buffer.jsonl");
    const torn = '{"seq":9999999999999999,"at":"2026-01-01T00:00:00.000Z","source":"app","stream":"stdout"';
    await Bun.write(path, `${readFileSync(path, "utf8")}${torn},"level":"info","message":"uncommitted"}\n${torn}`);
    await using delivery = open(folder.path);
    expect(delivery.status().ledger.buffered).toBe(3);
    expect(delivery.position("app", "stdout")).toBe(whole);
    expect(readFileSync(path, "utf8")).not.toContain("uncommitted");
  });

  // Before, what the buffer's own disk refused to note was not noted: after a kill the lines of a pipe came twice.
  test("a full disk does not make it forget what was acknowledged and how far a stream was read", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    const noted = (delivery: Opened) => [delivery.position("app", "stdout"), delivery.status().ledger.acknowledged];
    // refuses to be opened for writing, as root too
    mkdirSync(folder.at("buffer.state.tmp"));
    {
      await using delivery = open(folder.path, { hub });
      delivery.start();
      take(delivery, numbered(0, 10));
      await until(() => delivery.status().ledger.acknowledged === 10, "acknowledged");
    }
    for (const disk of ["full", "free", "free"]) {
      if (disk === "free") rmSync(folder.at("buffer.state.tmp"), { recursive: true, force: true });
      await using delivery = open(folder.path);
      expect(noted(delivery)).toEqual([position, 10]);
      expect(existsSync(folder.at("overflow/buffer.state"))).toBe(disk === "full");
    }
  });

  test("a damaged line or state file costs only itself", async () => {
    await using folder = temporaryFolder();
    {
      await using delivery = open(folder.path);
      take(delivery, numbered(0, 3));
    }
    const path = folder.at("buffer.jsonl");
    const lines = readFileSync(path, "utf8").split("\n");
    lines[1] = "\u0000\u0000garbage";
    await Bun.write(path, lines.join("\n"));
    await Bun.write(folder.at("buffer.state"), "{ not json");
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { hub });
    delivery.start();
    await until(() => hub.entries.length === 2, "the other lines");
    expect(messages(hub.entries)).toEqual(["line 0", "line 2"]);
  });

  test("a folder that can't be written makes the run folder the buffer's place", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    // root may write everywhere, but nobody makes a folder below a file
    await Bun.write(folder.at("file"), "");
    await using delivery = open(folder.path, { hub, bufferPath: folder.at("file", "buffer.jsonl") });
    delivery.start();
    take(delivery, numbered(0, 3));
    await until(() => hub.entries.length === 3, "the lines");
    expect(existsSync(folder.at("overflow", "buffer.jsonl"))).toBe(true);
  });

  test("two agents never share a buffer", async () => {
    await using folder = temporaryFolder();
    await using _first = open(folder.path);
    expect(() => open(folder.path)).toThrow("another agent uses the buffer");
  });

  test("recent entries can be read back and followed, by source, level, time and words", async () => {
    await using folder = temporaryFolder();
    await using delivery = open(folder.path);
    const seen: string[] = [];
    const cancel = delivery.follow({ lines: 0, source: "app", level: "warn" }, ({ message }) => seen.push(message));
    take(delivery, ["one", "WARN two", "three"]);
    take(delivery, ["WARN other"], "other");
    cancel();
    take(delivery, ["ERROR four"]);
    expect(seen).toEqual(["WARN two"]);
    expect(messages(delivery.recent({ lines: 2, source: "app" }))).toEqual(["three", "ERROR four"]);
    expect(messages(delivery.recent({ lines: 10, level: "warn" }))).toEqual(["WARN two", "WARN other", "ERROR four"]);
    expect(messages(delivery.recent({ lines: 10, grep: "THREE" }))).toEqual(["three"]);
    expect(delivery.tail("app", 2)).toEqual(["three", "ERROR four"]);
    expect(delivery.recent({ lines: 10, sinceMs: Date.now() + 60_000 })).toEqual([]);
  });

  test("memory of recent entries is bounded, and begins with a whole line", async () => {
    await using folder = temporaryFolder();
    await using delivery = open(folder.path);
    for (let i = 0; i < 200; i++) take(delivery, numbered(i * 100, (i + 1) * 100));
    const recent = messages(delivery.recent({ lines: 10_000, source: "app" }));
    expect(recent.length).toBeGreaterThan(1000);
    expect(recent.length).toBeLessThan(4000);
    expect(recent).toEqual(numbered(20_000 - recent.length, 20_000));
  });

  test("files that are acknowledged go, also when there are many of them", async () => {
    await using folder = temporaryFolder();
    await using hub = startRecordingHub();
    await using delivery = open(folder.path, { maxEntries: 1_000_000 });
    const line = "y".repeat(4000);
    for (let i = 0; i < 60; i++)
      take(
        delivery,
        Array.from({ length: 100 }, () => line),
      );
    expect(readdirSync(folder.path).filter((file) => /^buffer\.jsonl\.\d+$/.test(file)).length).toBeGreaterThan(1);
    delivery.connect({ apiUrl: hub.url, token: "t", serverId: "s" });
    delivery.start();
    await until(() => hub.entries.length === 6000, "all");
    await until(
      () => readdirSync(folder.path).filter((file) => file.startsWith("buffer.jsonl")).length === 1,
      "one file",
    );
    expect(existsSync(folder.at("buffer.jsonl"))).toBe(true);
  });

  test("the share of the disk is bounded, whether the hub is there or not", async () => {
    await using folder = temporaryFolder();
    await using delivery = open(folder.path, { maxEntries: 1_000_000, maxBytes: 2 * 1024 * 1024 });
    const line = "z".repeat(1000);
    for (let i = 0; i < 60; i++)
      take(
        delivery,
        Array.from({ length: 100 }, () => line),
      );
    const { bufferedBytes, buffered, dropped } = delivery.status().ledger;
    expect(bufferedBytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    expect(buffered + dropped).toBe(6000);
  });
});
