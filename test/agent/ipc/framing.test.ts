import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { createLineReader } from "#src/agent/ipc/framing.ts";

/** Cuts `bytes` at the given places and reads the pieces. */
function readIn(bytes: Uint8Array, cuts: readonly number[], maxBytes?: number) {
  const reader = createLineReader(maxBytes);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const lines: string[] = [];
  let tooLong = false;
  let from = 0;
  for (const place of [...places, bytes.length]) {
    // a copy that is overwritten afterwards, as a socket does with its buffer
    const piece = bytes.slice(from, place);
    const read = reader.push(piece);
    piece.fill(0x58);
    lines.push(...read.lines);
    tooLong ||= read.tooLong;
    from = place;
  }
  return { lines, tooLong, rest: reader.rest() };
}

describe("lines from chunks", () => {
  test("are the same, wherever the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), fc.array(fc.nat()), (texts, cuts) => {
        const lines = texts.map((text) => text.replaceAll("\n", ""));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
        const whole = lines.map((line) => Buffer.from(line).toString("utf8"));
        expect(readIn(bytes, cuts)).toEqual({ lines: whole, tooLong: false, rest: undefined });
      }),
    );
  });

  test("leave the unfinished last one for the end", () => {
    expect(readIn(Buffer.from("a\nbc"), [1, 3])).toEqual({ lines: ["a"], tooLong: false, rest: "bc" });
  });

  test("may be exactly as long as the limit", () => {
    expect(readIn(Buffer.from(`${"x".repeat(8)}\ny\n`), [3], 8)).toEqual({
      lines: ["x".repeat(8), "y"],
      tooLong: false,
      rest: undefined,
    });
  });

  test("end with the first one that is longer, those before it are given", () => {
    for (const cuts of [[], [4], [2, 5, 9], [11]]) {
      expect(readIn(Buffer.from(`ok\n${"x".repeat(9)}\nlater\n`), cuts, 8)).toEqual({
        lines: ["ok"],
        tooLong: true,
        rest: undefined,
      });
    }
  });
});
