import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createEncoder } from "#src/agent/delivery/encode.ts";
import { check } from "#src/protocol/schema.ts";
import { logEntry } from "#src/protocol/log.ts";

const stamp = {
  seq: 98,
  at: "2026-05-01T10:00:00.123Z",
  source: 'odd "source"'.replaceAll(" ", "-"),
  stream: "stdout",
  end: 777,
};

/** The entries that come out, checked as the hub would. */
function decode(bytes: Uint8Array): Record<string, unknown>[] {
  const lines = Buffer.from(bytes).toString("utf8").split("\n");
  expect(lines.pop()).toBe("");
  return lines.map((line) => {
    const value: unknown = JSON.parse(line);
    check(logEntry, value, "entry");
    return value as Record<string, unknown>;
  });
}

const encode = (bytes: Uint8Array, over: Partial<typeof stamp> = {}) => {
  const encoded = createEncoder().encode(bytes, { ...stamp, ...over });
  return { entries: decode(encoded.bytes), count: encoded.count };
};

/** What a reader should see of a line's bytes. */
function visible(line: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(line).replaceAll("\0", "\u2400");
}

describe("encoding a chunk", () => {
  test("numbers lines one by one, over a power of ten, and commits with the last", () => {
    const { entries, count } = encode(Buffer.from("a\nERROR b\nc\n"));
    expect(count).toBe(3);
    const common = { at: stamp.at, source: stamp.source, stream: "stdout" };
    expect(entries).toEqual([
      { seq: 98, ...common, level: "info", message: "a" },
      { seq: 99, ...common, level: "error", message: "ERROR b" },
      { seq: 100, ...common, level: "info", message: "c", pos: 777 },
    ]);
  });

  test("keeps every kind of byte readable", () => {
    const bytes = Buffer.concat([
      Buffer.from('back\\slash \\n "quote" \t\u001b[31m\n'),
      Buffer.from("caf\u00e9 \u65e5\u672c \ud83d\ude00\n"),
      Buffer.from([0x62, 0xff, 0xc3, 0x28, 0x00, 0x0a]),
      Buffer.from("windows\r\nlone\rreturn\n\n"),
    ]);
    expect(encode(bytes).entries.map(({ message }) => message)).toEqual([
      'back\\slash \\n "quote" \t\u001b[31m',
      "caf\u00e9 \u65e5\u672c \ud83d\ude00",
      "b\ufffd\ufffd(\u2400",
      "windows",
      "lone\rreturn",
      "",
    ]);
  });

  // Before, a byte order mark was lost when a chunk began with it and held bytes that are no text.
  test("keeps a byte order mark, also before invalid bytes", () => {
    const bytes = Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0x0a, 0xff, 0x0a]);
    expect(encode(bytes).entries.map(({ message }) => message)).toEqual(["\ufeffa", "\ufffd"]);
  });

  test("marks the pieces of an over-long line", () => {
    const encoded = createEncoder().encode(Buffer.from("piece"), { ...stamp, piece: { part: 2, last: false } });
    expect(decode(encoded.bytes)).toMatchObject([
      { message: "piece", fields: { cut: true, part: 2, last: false }, pos: 777 },
    ]);
  });

  test("gives the same lines back for any bytes", () => {
    const line = fc.uint8Array({ maxLength: 60 }).map((bytes) => bytes.filter((byte) => byte !== 10 && byte !== 13));
    const nasty = fc
      .array(fc.constantFrom(92, 110, 34, 0, 27, 0xc3, 0xa9, 0xff, 65), { maxLength: 20 })
      .map((all) => Uint8Array.from(all));
    fc.assert(
      fc.property(fc.array(fc.oneof(line, nasty), { maxLength: 30 }), (lines) => {
        const bytes = Buffer.concat(lines.flatMap((each) => [each, Buffer.from("\n")]));
        const { entries, count } = encode(bytes);
        expect(count).toBe(lines.length);
        // invalid UTF-8 is replaced chunk by chunk, which may join what a line's end cut: never across a newline
        expect(entries.map(({ message }) => message)).toEqual(lines.map(visible));
      }),
      { numRuns: 300 },
    );
  });

  test("a number wider than the last keeps every digit", () => {
    const { entries } = encode(Buffer.from("a\nb\n"), { seq: 1_795_000_000_000_999 });
    expect(entries.map(({ seq }) => seq)).toEqual([1_795_000_000_000_999, 1_795_000_000_001_000]);
  });
});
