import { describe, expect, test } from "bun:test";

import { cutLines, maxLineBytes } from "#src/agent/supervisor/lines.ts";

const cut = (text: string) => {
  const bytes = new Uint8Array(text.length * 3 + 10).fill(10);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return cutLines(bytes.subarray(0, written), written);
};

describe("cutting lines", () => {
  test("takes all whole lines and leaves the rest", () => {
    expect(cut("a\nbc\nrest")).toEqual({ kind: "lines", length: 5 });
    expect(cut("\n")).toEqual({ kind: "lines", length: 1 });
    expect(cut("rest")).toEqual({ kind: "rest" });
    expect(cut("")).toEqual({ kind: "rest" });
  });

  test("does not wait for the end of an over-long line", () => {
    expect(cut("x".repeat(maxLineBytes - 1))).toEqual({ kind: "rest" });
    expect(cut("x".repeat(maxLineBytes + 5))).toEqual({ kind: "piece", length: maxLineBytes });
    expect(cut(`${"x".repeat(maxLineBytes + 5)}\nmore\n`)).toEqual({ kind: "piece", length: maxLineBytes });
  });

  test("never cuts a character in two", () => {
    expect(cut(`${"x".repeat(maxLineBytes - 1)}\u20ac\u20ac`)).toEqual({ kind: "piece", length: maxLineBytes - 1 });
    expect(cut(`${"x".repeat(maxLineBytes - 2)}\u20ac\u20ac`)).toEqual({ kind: "piece", length: maxLineBytes - 2 });
    expect(cut(`${"x".repeat(maxLineBytes - 3)}\u20ac\u20ac`)).toEqual({ kind: "piece", length: maxLineBytes });
  });
});
