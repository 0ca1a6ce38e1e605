import { gzipSync } from "node:zlib";

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { readSourceEntry } from "#src/hub/api/intake/source-log-entry.ts";
import { levelOf } from "#src/hub/api/intake/source-log-level.ts";
import { readTime } from "#src/hub/api/intake/source-log-time.ts";
import { maxMessageLength } from "#src/protocol/log.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type IngestRig, startIngest } from "./ingest-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

let rig: IngestRig;
beforeAll(async () => {
  rig = await startIngest();
});
afterAll(async () => await rig[Symbol.asyncDispose]());

let sources = 0;
/** A source of its own for each test. */
function newSource() {
  const id = `app-${++sources}`;
  const headers = { authorization: `Bearer ${id}` };
  return {
    post: (body: BodyInit, more: Record<string, string> = {}) => rig.post("/api/logs", body, { ...headers, ...more }),
    stored: () => rig.stored(id),
    messages: () => rig.stored(id).map((entry) => entry.message),
  };
}
const answer = async (response: Response) => [response.status, await response.json()];
const detail = async (response: Response) => ((await response.json()) as { detail: string }).detail;

describe("forms of a body", () => {
  const rows: readonly (readonly [string, BodyInit, readonly string[], Record<string, string>?])[] = [
    ["one object", '{"message":"a"}', ["a"]],
    ["one object over several lines", '{\n  "message": "a"\n}\n', ["a"]],
    ["an array", '[{"message":"a"},{"message":"b"}]', ["a", "b"]],
    ["an array over several lines", '[\n{"message":"a"},\n{"message":"b"}\n]\n', ["a", "b"]],
    ["one object a line", '{"message":"a"}\n{"message":"b"}\n', ["a", "b"]],
    ["lines with CRLF, blank ones among them", '\r\n{"message":"a"}\r\n\r\n{"message":"b"}', ["a", "b"]],
    ["an empty array", "[]", []],
    ["nothing", "", []],
    ["gzip", new Uint8Array(gzipSync('{"message":"a"}')), ["a"], { "content-encoding": "gzip" }],
    ["zstd", new Uint8Array(Bun.zstdCompressSync('{"message":"a"}')), ["a"], { "content-encoding": "zstd" }],
  ];
  for (const [name, body, messages, headers] of rows) {
    test(name, async () => {
      const source = newSource();
      const wanted = [202, { accepted: messages.length, duplicates: 0 }];
      expect(await answer(await source.post(body, headers))).toEqual(wanted);
      expect(source.messages()).toEqual([...messages]);
    });
  }
});

describe("what is wrong is named, and nothing of the body is stored", () => {
  const good = '{"message":"a"}';
  const rows: readonly (readonly [string, string, string])[] = [
    ["a line that is no JSON", `${good}\n\nhello\n`, "line 3 is not JSON"],
    ["a line that is cut off", `${good}\n{"message":`, "line 2 is not JSON"],
    ["two objects on a line", `${good}\n${good}${good}`, "line 2 is not JSON"],
    ["a text", "hello", "line 1, column 1 is not JSON: expected a value"],
    ["an array that breaks", '[\n{"message":"a"},\n]', "line 3, column 1 is not JSON: expected a value"],
    ["a line without a message", `${good}\n\n{"level":"info"}`, "line 3 is not a log entry: message is missing"],
    ["a message of null", '{"message":null}', "the body is not a log entry: message is missing"],
    ["an element that is no object", `[${good},7]`, "element 1 is not a log entry: must be an object with a message"],
    ["a line that is an array", `${good}\n[]`, "line 2 is not a log entry: must be an object with a message"],
    ["a wrong time", '{"message":"a","at":"yesterday"}', "the body is not a log entry: at must be a time"],
    ["deep nesting", "[".repeat(100_000), "line 1, column 100001 is not JSON"],
  ];
  for (const [name, body, why] of rows) {
    test(name, async () => {
      const source = newSource();
      const response = await source.post(body);
      expect(response.status).toBe(400);
      expect(await detail(response)).toContain(why);
      expect(source.stored()).toEqual([]);
    });
  }

  test("more entries than one request may hold: 413", async () => {
    const source = newSource();
    expect((await source.post('{"msg":1}\n'.repeat(100_001))).status).toBe(413);
    expect(source.stored()).toEqual([]);
  });

  test("a small body of twenty million values: 413, without the memory they would take", async () => {
    const bomb = new Uint8Array(Bun.zstdCompressSync(`[${"{},".repeat(20_000_000)}{}]`));
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 3; i++) {
      expect((await newSource().post(bomb, { "content-encoding": "zstd" })).status).toBe(413);
    }
    Bun.gc(true);
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
  });
});

describe("members", () => {
  const now = Date.parse("2026-01-01T00:00:00.000Z");
  const at = "2026-01-01T00:00:00.000Z";
  const rows: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>])[] = [
    ["a message alone is info, now", { message: "m" }, { at, level: "info", message: "m" }],
    [
      "pino",
      { level: 50, time: 1_700_000_000_123, pid: 7, hostname: "h", msg: "boom" },
      { at: "2023-11-14T22:13:20.123Z", level: "error", message: "boom", fields: { pid: 7, hostname: "h" } },
    ],
    [
      "zap",
      { level: "warn", ts: 1_700_000_000.5, caller: "a.go:1", msg: "m" },
      { at: "2023-11-14T22:13:20.500Z", level: "warn", message: "m", fields: { caller: "a.go:1" } },
    ],
    [
      "python-json-logger",
      { levelname: "CRITICAL", message: "m", name: "root" },
      { at, level: "fatal", message: "m", fields: { name: "root" } },
    ],
    [
      "ECS",
      { "@timestamp": "2023-11-14T22:13:20.123+01:00", "log.level": "x", message: "m" },
      { at: "2023-11-14T21:13:20.123Z", level: "info", message: "m", fields: { "log.level": "x" } },
    ],
    [
      "GELF",
      { version: "1.1", short_message: "m", level: 3, timestamp: 1_700_000_000.123 },
      { at: "2023-11-14T22:13:20.123Z", level: "error", message: "m", fields: { version: "1.1" } },
    ],
    ["a message that is no text is kept as JSON", { message: { a: [1] } }, { at, level: "info", message: '{"a":[1]}' }],
    [
      "a level that nobody knows is kept as a field",
      { message: "m", level: "loud" },
      { at, level: "info", message: "m", fields: { level: "loud" } },
    ],
    [
      "a time by another name that is none is kept as a field",
      { message: "m", time: "12ms" },
      { at, level: "info", message: "m", fields: { time: "12ms" } },
    ],
    [
      "fields win over members of the same name",
      { message: "m", a: 1, b: 1, fields: { b: 2, c: 3 } },
      { at, level: "info", message: "m", fields: { a: 1, b: 2, c: 3 } },
    ],
    [
      "fields that are no object are a field",
      { message: "m", fields: ["x"] },
      { at, level: "info", message: "m", fields: { fields: ["x"] } },
    ],
    [
      "source, stream and seq are the hub's to say",
      { message: "m", source: "other", stream: "stdout", seq: 1 },
      { at, level: "info", message: "m", fields: { source: "other", stream: "stdout", seq: 1 } },
    ],
    [
      "of two names for a thing the other is kept",
      { message: "m", msg: "n" },
      { at, level: "info", message: "m", fields: { msg: "n" } },
    ],
  ];
  for (const [name, given, entry] of rows) {
    test(name, () => expect(readSourceEntry(given, now)).toEqual(entry as never));
  }

  test("__proto__ is a name like any other", () => {
    const read = readSourceEntry(JSON.parse('{"message":"m","__proto__":{"a":1},"fields":{"b":2}}'), now);
    expect(JSON.stringify(read)).toBe(
      `{"at":"${at}","level":"info","message":"m","fields":{"__proto__":{"a":1},"b":2}}`,
    );
  });

  test("whatever else is in an entry is a field", () => {
    const known = new Set(["message", "level", "severity", "lvl", "levelname", "at", "fields"]);
    const times = new Set(["timestamp", "@timestamp", "time", "ts"]);
    const member = fc.string().filter((name) => !known.has(name) && !times.has(name) && name !== "__proto__");
    fc.assert(
      fc.property(fc.string(), fc.dictionary(member, fc.jsonValue()), (message, rest) => {
        const read = readSourceEntry(JSON.parse(JSON.stringify({ ...rest, message })), now);
        const fields = JSON.parse(JSON.stringify(rest)) as Record<string, unknown>;
        const wanted = { at, level: "info", message, ...(Object.keys(fields).length > 0 && { fields }) };
        expect(read).toEqual(wanted as never);
      }),
    );
  });

  for (const [value, level] of [
    ["TRACE", "debug"],
    ["Verbose", "debug"],
    [" notice ", "info"],
    ["Warning", "warn"],
    ["ERR", "error"],
    ["emerg", "fatal"],
    ["panic", "fatal"],
    ["30", "info"],
    [20, "debug"],
    [10, "debug"],
    [60, "fatal"],
    [0, "fatal"],
    [4, "warn"],
    [7, "debug"],
    [-1, undefined],
    [1.5, undefined],
    [1e9, undefined],
    ["", undefined],
    ["x".repeat(100), undefined],
    [null, undefined],
    [{}, undefined],
  ] as const) {
    test(`level ${JSON.stringify(value)} is ${level}`, () => expect(levelOf(value)).toBe(level));
  }

  for (const [value, time] of [
    ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"],
    ["2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z"],
    ["2026-01-31 12:00:00,5", "2026-01-31T12:00:00.500Z"],
    ["2026-01-31T12:00:00+0530", "2026-01-31T06:30:00.000Z"],
    ["2026-01-31T12:00-08", "2026-01-31T20:00:00.000Z"],
    ["1700000000", "2023-11-14T22:13:20.000Z"],
    ["1700000000123", "2023-11-14T22:13:20.123Z"],
    [1_700_000_000, "2023-11-14T22:13:20.000Z"],
    [1_700_000_000_123, "2023-11-14T22:13:20.123Z"],
    [1_700_000_000_123_456, "2023-11-14T22:13:20.123Z"],
    [1_700_000_000_123_456_768, "2023-11-14T22:13:20.123Z"],
    ["2026-02-30T12:00:00Z", undefined],
    ["2026-01-31T24:01:00Z", undefined],
    ["2026-01-31", undefined],
    ["12ms", undefined],
    [0, undefined],
    [-5, undefined],
    [Number.NaN, undefined],
    [1e300, undefined],
    ["9999-12-31T23:59:59-23:59", undefined],
  ] as const) {
    test(`time ${value} is ${time}`, () => {
      const ms = readTime(value);
      expect(ms === undefined ? undefined : new Date(ms).toISOString()).toBe(time);
    });
  }
});

describe("entries of a source", () => {
  test("carry its name, its id, and rising numbers that begin at the time in microseconds", async () => {
    const source = newSource();
    const before = Date.now() * 1000;
    for (let i = 0; i < 5; i++) await source.post('[{"message":"a"},{"message":"b"}]');
    const stored = source.stored();
    const [first] = stored;
    expect(stored.map(({ source: name, stream }) => [name, stream])).toEqual(
      Array.from({ length: 10 }, () => [`app-${first?.serverId}`, "http"]),
    );
    const seqs = stored.map((entry) => entry.seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(seqs[0]).toBeGreaterThanOrEqual(before);
  });

  test("sent many at a time are all stored, each once", async () => {
    const source = newSource();
    const bodies = Array.from({ length: 40 }, (_, n) =>
      Array.from({ length: 25 }, (_, i) => JSON.stringify({ message: `${n}.${i}` })).join("\n"),
    );
    for (const response of await Promise.all(bodies.map((body) => source.post(body)))) {
      expect(await answer(response)).toEqual([202, { accepted: 25, duplicates: 0 }]);
    }
    expect(new Set(source.messages()).size).toBe(1000);
    expect(source.stored().length).toBe(1000);
  });

  test("of a batch with the same name are stored once", async () => {
    const source = newSource();
    const headers = { "x-batch-id": "deploy-1" };
    expect(await answer(await source.post('{"message":"a"}', headers))).toEqual([202, { accepted: 1, duplicates: 0 }]);
    expect(await answer(await source.post('{"message":"a"}', headers))).toEqual([202, { accepted: 0, duplicates: 1 }]);
    expect(await answer(await source.post('{"message":"a"}'))).toEqual([202, { accepted: 1, duplicates: 0 }]);
    expect(source.messages()).toEqual(["a", "a"]);
  });

  test("never share a number, also when the hub restarts and its clock went back", async () => {
    await using folder = temporaryFolder();
    const stored: number[] = [];
    for (const start of ["2026-01-01T00:00:10.000Z", "2026-01-01T00:00:00.000Z", "2025-06-01T00:00:00.000Z"]) {
      await using again = await startIngest({ folder: folder.path, clock: createTestClock(Date.parse(start)) });
      for (let i = 0; i < 2; i++) {
        const response = await again.post("/api/logs", '[{"message":"a"},{"message":"b"},{"message":"c"}]');
        expect(await answer(response)).toEqual([202, { accepted: 3, duplicates: 0 }]);
      }
      stored.splice(0, stored.length, ...again.stored().map((entry) => entry.seq));
    }
    expect(stored.length).toBe(18);
    expect(new Set(stored).size).toBe(18);
  });

  test("with a message over 1 MiB are cut and marked, and with huge fields lose them, marked too", async () => {
    const source = newSource();
    const long = "ä".repeat(maxMessageLength + 10);
    const big = { big: "x".repeat(2 * 1024 * 1024) };
    await source.post(JSON.stringify([{ message: long, kept: 1 }, { message: "m", fields: big }, { message: "n" }]));
    expect(source.stored().map(({ message, fields }) => [message.length, fields])).toEqual([
      [maxMessageLength, { kept: 1, cut: true, length: long.length }],
      [1, { fieldsDropped: true }],
      [1, undefined],
    ]);
  });
});

describe("a source that logs too fast", () => {
  test("is told to wait, gets in again when it has waited, and nothing of it is lost or doubled", async () => {
    const clock = createTestClock();
    const rateLimits = { linesPerSecond: 10, burstLines: 20, bytesPerSecond: 1e9, burstBytes: 1e9 };
    await using slow = await startIngest({ clock, rateLimits });
    const post = () => slow.post("/api/logs", '{"message":"a"}\n'.repeat(30));
    expect((await post()).status).toBe(202);
    const refused = await post();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    const otlp = await slow.post("/v1/logs", "{}", { "content-type": "application/json" });
    expect([otlp.status, otlp.headers.get("retry-after"), await otlp.json()]).toEqual([
      429,
      "1",
      { code: 8, message: "this source logs faster than it may; try again in 1 s" },
    ]);
    // another source has a bucket of its own
    expect((await slow.post("/api/logs", '{"message":"b"}', { authorization: "Bearer other" })).status).toBe(202);
    clock.advance(1100);
    expect((await post()).status).toBe(202);
    expect(slow.stored().length).toBe(60);
    expect(slow.said.filter((line) => line.startsWith("warn"))).toEqual([
      "warn source app-source-1 logs faster than 10 lines or 1000000000 bytes a second: 1 of its requests were refused",
    ]);
  });
});

describe("no body makes it fail", () => {
  test("whatever is sent", async () => {
    const source = newSource();
    const entry = JSON.stringify({ message: "m", level: "warn", at: "2026-01-01T00:00:00Z", fields: { a: 1 } });
    const body = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.json(),
      fc
        .array(fc.constantFrom(entry, "\n", "{", "}", "[", "]", ",", '"', "null", "é", " "), { maxLength: 8 })
        .map((all) => all.join("")),
    );
    await fc.assert(
      fc.asyncProperty(body, async (text) => {
        const response = await source.post(text);
        expect([202, 400]).toContain(response.status);
        await response.text();
      }),
      { numRuns: 400 },
    );
    expect(rig.said.filter((line) => line.startsWith("error"))).toEqual([]);
  });
});
