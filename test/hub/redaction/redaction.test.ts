import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createRedactor } from "#src/hub/redaction/redaction.ts";

import { columnsOf, messagesOf } from "./columns.ts";
import { harmless, secrets } from "./secrets.ts";

const none = { off: [], patterns: [] };
const { redact, redactText, redactValue } = createRedactor(none);
const key = (length: number) => "MIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI".slice(0, length);

const texts = [...secrets.map(([, text]) => text), ...harmless].filter((text) => !text.includes("PRIVATE KEY"));
const anyText = fc.oneof(fc.constantFrom(...texts), fc.string(), fc.string({ unit: "grapheme" }));

describe("columns", () => {
  test("are the same object when nothing in them is secret", () => {
    const columns = columnsOf([{ message: "a" }, { message: "GET / 200", fields: '{"n":1}' }, { message: "" }]);
    expect(redact(columns, "s")).toBe(columns);
    expect(redact(columnsOf([]), "s").count).toBe(0);
  });

  test("lose what the text alone would lose, wherever it lies", () => {
    fc.assert(
      fc.property(fc.array(anyText, { maxLength: 8 }), fc.nat(7), fc.nat(3), (some, shift, gap) => {
        const messages = some.map((text) => `${"x ".repeat(gap)}${text}`.toWellFormed());
        const before = columnsOf(
          messages.map((message) => ({ message })),
          shift,
        );
        const after = redact(before, "s");
        expect(messagesOf(after)).toEqual(messages.map(redactText));
        expect(after.text.length).toBe(after.offsets[after.count] ?? 0);
      }),
      { numRuns: 2000 },
    );
  });

  test("lose each secret at each place", () => {
    for (const [, text, left] of secrets) {
      for (let before = 0; before < 8; before++) {
        const prefix = " ".repeat(before);
        const columns = columnsOf(
          [{ message: "first" }, { message: prefix + text }, { message: "the last one" }],
          before % 4,
        );
        expect(messagesOf(createRedactor(none).redact(columns, "s"))).toEqual(["first", prefix + left, "the last one"]);
      }
    }
  });

  test("keep the true text of a message that is no Unicode, without its secrets", () => {
    const columns = columnsOf([
      {
        message: "password=hunter2 \ufffd",
        odd: { at: "2026-01-01T00:00:00+01:00", message: "password=hunter2 \ud800" },
      },
      { message: "token=\ufffd", odd: { message: "token=\ud800" } },
      { message: "fine \ufffd", odd: { message: "fine \ud800" } },
    ]);
    const after = redact(columns, "s");
    expect(messagesOf(after)).toEqual(["password=[redacted:password] \ufffd", "token=[redacted:token]", "fine \ufffd"]);
    expect([...after.odd]).toEqual([
      [0, { at: "2026-01-01T00:00:00+01:00", message: "password=[redacted:password] \ud800" }],
      [1, {}],
      [2, { message: "fine \ud800" }],
    ]);
  });

  test("lose what fields hold: by their names, and by how it looks", () => {
    const fields = (json: string) => redact(columnsOf([{ message: "m", fields: json }, { message: "n" }]), "s").fields;
    expect(fields('{"user":"ada","Password":"hunter2","db":{"url":"redis://:p4ss@h/0"},"tokens":[1]}')).toEqual([
      '{"user":"ada","Password":"[redacted:password]","db":{"url":"redis://:[redacted:password]@h/0"},"tokens":[1]}',
      "",
    ]);
    expect(fields('{"headers":{"x-api-key":["abc"],"cookie":null},"pin":1,"secret":5}')).toEqual([
      '{"headers":{"x-api-key":["[redacted:api-key]"],"cookie":null},"pin":1,"secret":"[redacted:secret]"}',
      "",
    ]);
    expect(fields('{"pan":4111111111111111,"big":12345678901234567890}')?.[0]).toStartWith('{"pan":"[redacted:card]"');
    expect(fields('{"\\u0070assword":"hunter2","u":"redis:\\/\\/:p@h"}')).toEqual([
      '{"password":"[redacted:password]","u":"redis://:[redacted:password]@h"}',
      "",
    ]);
    expect(fields('{"a" : 1.0}')).toEqual(['{"a" : 1.0}', ""]);
    const deep = `${'{"a":'.repeat(5000)}"token=abc"${"}".repeat(5000)}`;
    expect(fields(deep)?.[0]).toEndWith(`"[redacted:too-deep]"${"}".repeat(101)}`.slice(-50));
  });
});

describe("a private key that is printed line by line", () => {
  const begin = "-----BEGIN PRIVATE KEY-----";
  const end = "-----END PRIVATE KEY-----";
  const left = (redactor: typeof redact, ...lines: readonly Parameters<typeof columnsOf>[0][number][]) =>
    messagesOf(redactor(columnsOf(lines), "s"));
  const gone = "[redacted:private-key]";

  test("is followed to its end, over the borders of deliveries", () => {
    const { redact: own } = createRedactor(none);
    expect(left(own, { message: `cat key: ${begin}` }, { message: key(64) })).toEqual([`cat key: ${gone}`, gone]);
    expect(left(own, { message: key(64), source: "other" })).toEqual([key(64)]);
    expect(left(own, { message: `web-1 | ${key(64)}` }, { message: "GET /a 200" }, { message: "aB3=" })).toEqual([
      `web-1 | ${gone}`,
      "GET /a 200",
      gone,
    ]);
    expect(messagesOf(own(columnsOf([{ message: key(64) }]), "another server"))).toEqual([key(64)]);
    expect(left(own, { message: end }, { message: key(64) })).toEqual([end, key(64)]);
  });

  test("that never ends is given up after a minute, or as many lines as a key may have", () => {
    const { redact: own } = createRedactor(none);
    const atMs = 1_790_000_000_000;
    left(own, { message: begin, atMs });
    expect(left(own, { message: key(64), atMs: atMs + 59_000 }, { message: key(64), atMs: atMs + 61_000 })).toEqual([
      gone,
      key(64),
    ]);
    left(own, { message: begin });
    const many = Array.from({ length: 200 }, () => ({ message: key(64) }));
    expect(left(own, ...many).filter((line) => line === gone)).toHaveLength(128);
  });

  test("is taken out of the last lines of a crash, of which the first ones are gone", () => {
    const tail = [key(64), "aB3=", end, "Error: boom"];
    expect(redactValue({ type: "script.crashed", tail })).toEqual({
      type: "script.crashed",
      tail: [gone, gone, end, "Error: boom"],
    });
    expect(redactValue({ tail: ["go", begin, key(64)] })).toEqual({ tail: ["go", gone, gone] });
  });
});

test("an event is the same object when it has no secrets", () => {
  const event = { type: "script.crashed", tail: ["a", "b"], exitCode: 1 };
  expect(redactValue(event)).toBe(event);
  expect(redactValue([{ ...event, reason: "can't reach redis://:hunter2@h", tail: ["token=abc"] }])).toEqual([
    { ...event, reason: "can't reach redis://:[redacted:password]@h", tail: ["token=[redacted:token]"] },
  ]);
});

describe("the settings", () => {
  test("switch rules off by their names, for fields too", () => {
    const off = createRedactor({ off: ["token", "card", "private-key"], patterns: [] });
    const text = "token=abc password=x 4111111111111111 -----BEGIN PRIVATE KEY-----";
    expect(off.redactText(text)).toBe(
      "token=abc password=[redacted:password] 4111111111111111 -----BEGIN PRIVATE KEY-----",
    );
    expect(off.redactValue({ token: "a", password: "b" })).toEqual({ token: "a", password: "[redacted:password]" });
    expect(
      messagesOf(off.redact(columnsOf([{ message: "-----BEGIN PRIVATE KEY-----" }, { message: key(64) }]), "s"))[1],
    ).toBe(key(64));
  });

  test("add patterns of one's own, with a replacement of one's own", () => {
    const patterns = [
      { name: "patient", pattern: "patient (\\d+)", replacement: "patient $1".slice(0, 8) + "#", ignoreCase: true },
      { name: "iban", pattern: "\\bDE\\d{20}\\b", ignoreCase: false },
      { name: "stage", pattern: "(?:production|staging)-[a-z]+", ignoreCase: false },
    ];
    const own = createRedactor({ off: [], patterns });
    const lines = [
      "Patient 7 is in",
      "to DE02120300000000202051 now",
      "on staging-blue and production-red",
      "token=a",
      "nothing",
    ];
    expect(messagesOf(own.redact(columnsOf(lines.map((message) => ({ message }))), "s"))).toEqual([
      "patient # is in",
      "to [redacted:iban] now",
      "on [redacted:stage] and [redacted:stage]",
      "token=[redacted:token]",
      "nothing",
    ]);
    const long = `${"a ".repeat(3000)}DE02120300000000202051 ${"b".repeat(9000)}`;
    expect(own.redactText(long)).toBe(long.replace("DE02120300000000202051", "[redacted:iban]"));
  });
});

test("a line of a million characters takes no longer than many short ones", () => {
  const beginnings = [
    "token=[redacted:",
    "token=${",
    "cookie:",
    "eyJ-",
    "password='",
    "://a:b@",
    "token=a;b=",
    "--a",
    "1 ",
  ];
  for (const text of beginnings) {
    // one that went back and forth would not come to an end within the test's time
    const line = text.repeat(Math.ceil(1_000_000 / text.length));
    expect(redact(columnsOf([{ message: line }]), "s").count).toBe(1);
  }
});
