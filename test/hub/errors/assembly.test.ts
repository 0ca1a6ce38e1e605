/** Which lines belong to one event, and when it ends. */
import { describe, expect, test } from "bun:test";

import { createAssembly } from "#src/hub/errors/assembly.ts";
import type { ErrorEvent } from "#src/hub/errors/event.ts";
import { arrivedOf, beginMs, briefly, eventsOf, serverId, type TestLine, textLines } from "./assembly-lines.ts";

const traceback = textLines(
  ["Traceback (most recent call last):", '  File "/app/a.py", line 3, in run', "    go()", "ValueError: no"].join("\n"),
);
const at = (lines: readonly TestLine[], atMs: number): TestLine[] => lines.map((line) => ({ ...line, atMs }));

/** An assembly, and what it has emitted. */
function start() {
  const events: ErrorEvent[] = [];
  const assembly = createAssembly({ onEvent: (event) => void events.push(event) });
  return { events, assembly };
}

test("an event says where it comes from, what it is and what stood before it", () => {
  const before = Array.from({ length: 25 }, (_, i) => ({ text: `request ${i}` }));
  expect(eventsOf([...before, ...traceback])).toEqual([
    {
      serverId,
      source: "app",
      stream: "stderr",
      atMs: beginMs,
      firstPosition: 26,
      lastPosition: 29,
      level: "error",
      kind: "traceback",
      format: "python",
      parts: [
        {
          type: "ValueError",
          value: "no",
          relation: null,
          frames: [
            {
              function: "run",
              module: "a",
              file: "/app/a.py",
              line: 3,
              column: null,
              inApplication: true,
              code: "go()",
            },
          ],
        },
      ],
      logger: null,
      database: null,
      thread: null,
      release: null,
      lines: traceback.map(({ text }) => text),
      before: before.slice(5).map(({ text }) => text),
      cut: false,
    },
  ]);
});

describe("an event ends", () => {
  test("a second after its last line, by the lines' own times", () => {
    const { events, assembly } = start();
    assembly.add(arrivedOf(at(traceback, 0), 1));
    assembly.add(arrivedOf(at([{ text: "next request" }], 1000), 5));
    expect(events).toEqual([]);
    assembly.add(arrivedOf(at([{ text: "next request" }], 1001), 6));
    expect(events.length).toBe(1);
  });

  test("after a quiet second of the clock, when nothing more comes", () => {
    const { events, assembly } = start();
    assembly.add(arrivedOf(traceback, 1));
    assembly.advance(10_000);
    assembly.advance(10_999);
    expect(events).toEqual([]);
    assembly.advance(11_000);
    expect(events.length).toBe(1);
    expect(assembly.openFrom()).toBeNull();
  });

  test("later when it lacks its end: a batch may be late", () => {
    const { events, assembly } = start();
    assembly.add(arrivedOf(traceback.slice(0, 2), 1));
    for (const nowMs of [0, 3000, 6000]) assembly.advance(nowMs);
    expect(events).toEqual([]);
    assembly.add(arrivedOf(traceback.slice(2), 3));
    for (const nowMs of [7000, 8000]) assembly.advance(nowMs);
    expect(events.map(briefly)).toEqual(eventsOf(traceback).map(briefly));
  });

  test("for good when its end never comes", () => {
    const { events, assembly } = start();
    assembly.add(arrivedOf(traceback.slice(0, 2), 1));
    for (const nowMs of [0, 10_000]) assembly.advance(nowMs);
    expect(events.length).toBe(1);
  });

  test("although the clock is set back", () => {
    const { events, assembly } = start();
    assembly.add(arrivedOf(traceback, 1));
    for (const nowMs of [1_000_000, 0, 1000]) assembly.advance(nowMs);
    expect(events.length).toBe(1);
  });

  test("when lines of others follow it, without waiting", () => {
    const { events, assembly } = start();
    assembly.add(
      arrivedOf([...traceback, ...Array.from({ length: 9 }, () => ({ text: "2026-05-01 10:00:00 INFO ok" }))], 1),
    );
    expect(events.length).toBe(1);
  });
});

describe("openFrom", () => {
  test("is the first line of the oldest open event, so that reading again from there gives the same", () => {
    const { events, assembly } = start();
    const lines: TestLine[] = [
      { text: "ready" },
      ...traceback.slice(0, 3),
      { text: "Traceback (most recent call last):", source: "other" },
    ];
    assembly.add(arrivedOf(lines, 100));
    expect(assembly.openFrom()).toBe(101);
    const again = start();
    again.assembly.add(arrivedOf([...lines, ...traceback.slice(3)].slice(1), 101));
    assembly.add(arrivedOf(traceback.slice(3), 105));
    assembly.flush();
    again.assembly.flush();
    const known = ({ before: _, ...event }: ErrorEvent) => event;
    expect(again.events.map(known)).toEqual(events.map(known));
    expect(assembly.openFrom()).toBeNull();
  });

  test("is null while nothing but plain lines come", () => {
    const { assembly } = start();
    assembly.add(arrivedOf(textLines("one\ntwo"), 1));
    expect(assembly.openFrom()).toBeNull();
  });
});

describe("limits", () => {
  test("of 500 lines: the rest is passed over, and the event says that it was cut", () => {
    const calls = Array.from({ length: 2000 }, (_, i) => ({ text: `\tat com.acme.Shop.dive(Shop.java:${i})` }));
    const lines = [
      { text: "java.lang.StackOverflowError" },
      ...calls,
      { text: "Caused by: java.io.IOException: the cause is still read" },
      { text: "\tat com.acme.Shop.read(Shop.java:1)" },
    ];
    const events = eventsOf(lines);
    expect(events.map(({ cut, lines: kept, lastPosition }) => [cut, kept.length, lastPosition])).toEqual([
      [true, 500, 2003],
    ]);
    expect(events[0]?.parts.map(({ type, frames }) => [type, frames.length])).toEqual([
      ["java.lang.StackOverflowError", 200],
      ["java.io.IOException", 1],
    ]);
  });

  test("of 256 KiB", () => {
    const wide = Array.from({ length: 200 }, () => ({ text: `\tat com.acme.Shop.go(${"x".repeat(1900)}.java:1)` }));
    const [event] = eventsOf([{ text: "java.lang.Error: x" }, { text: "\tat a.B.c(B.java:1)" }, ...wide]);
    expect(event?.cut).toBe(true);
    expect(Buffer.byteLength(event?.lines.join("\n") ?? "")).toBeLessThanOrEqual(256 * 1024);
  });

  test("of open events: the oldest go first, marked as cut", () => {
    const { events, assembly } = start();
    for (let i = 0; i < 2100; i++) {
      const [first] = traceback;
      if (first !== undefined) assembly.add(arrivedOf([{ ...first, source: `s${i}` }], i + 1));
    }
    expect(events.length).toBe(100);
    expect(events.every(({ cut }) => cut)).toBe(true);
    expect(assembly.openFrom()).toBe(101);
  });
});

describe("lines that come between one another", () => {
  const stop: readonly TestLine[] = textLines(
    [
      "java.lang.IllegalStateException: closed",
      "\tat com.acme.Shop.close(Shop.java:9)",
      "\tat com.acme.Shop.main(Shop.java:3)",
    ].join("\n"),
  );
  const mixed = (one: Partial<TestLine>, other: Partial<TestLine>): TestLine[] =>
    traceback.flatMap((line, i) => [{ ...line, ...one }, ...(stop[i] === undefined ? [] : [{ ...stop[i], ...other }])]);
  const alone = [...eventsOf(traceback), ...eventsOf(stop)].map(briefly);

  test("of another source", () => {
    expect(eventsOf(mixed({ source: "a" }, { source: "b" })).map(briefly)).toEqual(alone);
  });

  test("of the other stream", () => {
    expect(eventsOf(mixed({ stream: "stdout" }, { stream: "stderr" })).map(briefly)).toEqual(alone);
  });

  test("of another container behind the same source", () => {
    const container = (containerId: string, stream = "stderr"): Partial<TestLine> => ({
      stream: "container",
      fields: { container: "web", containerId, stream },
    });
    expect(eventsOf(mixed(container("c1"), container("c2"))).map(briefly)).toEqual(alone);
    expect(eventsOf(mixed(container("c1", "stdout"), container("c1", "stderr"))).map(briefly)).toEqual(alone);
  });

  test("of another thread that says so in the head of its records", () => {
    const odoo = (pid: number, level: string, text: string): TestLine => ({
      text: `2026-05-01 10:00:00,123 ${pid} ${level} shop odoo.http: ${text}`,
    });
    const [event, ...others] = eventsOf([
      odoo(1, "ERROR", "failed"),
      odoo(2, "INFO", "served"),
      ...traceback.slice(0, 2),
      odoo(2, "WARNING", "slow"),
      ...traceback.slice(2),
    ]);
    expect(event).toMatchObject({
      thread: "1",
      kind: "traceback",
      logger: "odoo.http",
      database: "shop",
      lastPosition: 7,
    });
    expect(others.map(({ thread, level, kind }) => [thread, level, kind])).toEqual([["2", "warn", "message"]]);
  });

  test("of others that no one marks, when an event lacks its end", () => {
    const [first, ...rest] = traceback;
    const events = eventsOf([first ?? { text: "" }, { text: "GET / 200" }, { text: "GET /x 200" }, ...rest]);
    expect(events.map(briefly)).toEqual(eventsOf(traceback).map(briefly));
  });
});

describe("messages", () => {
  test("of a bad level are events by themselves", () => {
    const lines: TestLine[] = [
      { text: "ERROR: disk is full" },
      { text: "all is well" },
      { text: "2026-05-01 10:00:00,123 - shop.stock - WARNING - stock is low release=1.4.2" },
      { text: "plain, but the sender says that it is fatal", level: "fatal" },
    ];
    expect(
      eventsOf(lines).map(({ level, kind, format, parts, logger, release }) => [
        level,
        kind,
        format,
        parts[0]?.value,
        logger,
        release,
      ]),
    ).toEqual([
      ["error", "message", "text", "disk is full", null, null],
      ["warn", "message", "text", "stock is low release=1.4.2", "shop.stock", "1.4.2"],
      ["fatal", "message", "text", "plain, but the sender says that it is fatal", null, null],
    ]);
  });

  test("of a harmless level are none, whatever words they hold", () => {
    const texts = [
      "0 Errors found",
      "no Exception today",
      "panic button pressed",
      "Error handling is enabled: yes",
      "at 10:00:00 in x",
    ];
    expect(eventsOf(texts.map((text) => ({ text, level: "info" as const })))).toEqual([]);
  });

  test("keep the lines that belong to the record", () => {
    const [event] = eventsOf(
      textLines(
        "2026-05-01 10:00:00,123 ERROR shop: cannot save:\n  name is missing\n2026-05-01 10:00:00,124 INFO shop: ok",
      ),
    );
    expect(event).toMatchObject({
      lastPosition: 2,
      lines: ["2026-05-01 10:00:00,123 ERROR shop: cannot save:", "  name is missing"],
    });
    expect(event?.parts[0]?.value).toBe("cannot save: name is missing");
  });
});

describe("bad lines beside others", () => {
  const record = "2026-05-01 10:00:00,123 ERROR shop: payment failed";
  const brief = (lines: readonly TestLine[]): unknown[] =>
    eventsOf(lines).map(({ kind, level, lines: own }) => [kind, level, own]);

  test.each(["WARN pool is full 12", "ERROR disk is full", "[warn] pool is full", "WARNING: low disk"])(
    "%s is an event by itself behind a traceback, between two, and behind the record of an error",
    (text) => {
      const level = text.startsWith("ERROR") ? "error" : "warn";
      const own = ["message", level, [text]];
      const whole = ["traceback", "error", traceback.map((line) => line.text)];
      const later = at(traceback, beginMs + 200);
      expect(brief([...traceback, { text }])).toEqual([whole, own]);
      expect(brief([...traceback, { text }, ...later])).toEqual([whole, own, whole]);
      // Before, they were taken for more of what the record says
      expect(brief([{ text: record }, { text }])).toEqual([["message", "error", [record]], own]);
      expect(brief([{ text: record }, ...traceback, { text }])).toEqual([
        ["traceback", "error", [record, ...traceback.map((line) => line.text)]],
        own,
      ]);
    },
  );

  test("a record that was printed some time before a traceback is not its head", () => {
    const warning = "2026-05-01 10:00:00,123 WARNING shop: pool is full";
    const lines = traceback.map((line) => line.text);
    expect(brief([{ text: warning }, ...at(traceback, beginMs + 20)])).toEqual([
      ["traceback", "warn", [warning, ...lines]],
    ]);
    expect(brief([{ text: warning }, ...at(traceback, beginMs + 200)])).toEqual([
      ["message", "warn", [warning]],
      ["traceback", "error", lines],
    ]);
  });

  test("what a database answered is more of the record", () => {
    const lines = [record, 'ERROR: relation "orders" does not exist', "LINE 1: SELECT 1 FROM orders"];
    expect(brief(lines.map((text) => ({ text })))).toEqual([["message", "error", lines]]);
  });
});

describe("an entry that holds its event whole", () => {
  test("in a message of several lines", () => {
    const text = traceback.map((line) => line.text).join("\n");
    const [event, ...none] = eventsOf([{ text: "before" }, { text, stream: "http", level: "error" }]);
    expect(none).toEqual([]);
    expect(event).toMatchObject({
      firstPosition: 2,
      lastPosition: 2,
      kind: "traceback",
      format: "python",
      stream: "http",
    });
  });

  test("in OpenTelemetry's attributes, beside a message", () => {
    const fields = {
      resource: { "service.version": "2.0.1" },
      attributes: {
        "exception.type": "java.lang.IllegalStateException",
        "exception.message": "closed",
        "exception.stacktrace": "java.lang.IllegalStateException: closed\n\tat com.acme.Shop.close(Shop.java:9)\n",
      },
    };
    const [event] = eventsOf([{ text: "request failed", stream: "http", level: "error", fields }]);
    expect(event).toMatchObject({
      format: "java",
      kind: "traceback",
      release: "2.0.1",
      parts: [{ type: "java.lang.IllegalStateException", value: "closed", frames: [{ function: "close" }] }],
    });
  });

  test("in fields without a stack", () => {
    const [event] = eventsOf([
      {
        text: "request failed",
        stream: "http",
        level: "error",
        fields: { err: { type: "TypeError", message: "no total" } },
      },
    ]);
    expect(event).toMatchObject({ kind: "message", format: "json", parts: [{ type: "TypeError", value: "no total" }] });
  });

  test("behind what docker compose puts before it", () => {
    const [event] = eventsOf([
      { text: 'web-1  | {"level":"error","msg":"x","stack":"Error: y\\n    at go (/srv/a.js:1:2)"}' },
    ]);
    expect(event).toMatchObject({ format: "node", parts: [{ type: "Error", value: "y" }] });
  });
});
