import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { parseJson } from "#src/lib/json.ts";

const failures: readonly (readonly [name: string, text: string, line: number, column: number, reason: RegExp])[] = [
  ["an empty text", "", 1, 1, /ends too early: expected a value/],
  ["a torn object", '{\n  "a": 1,\n  "b"', 3, 6, /ends too early: expected ":"/],
  ["a comma too many", '{\n  "a": 1,\n}', 3, 1, /comma|","/],
  ["a missing comma", '{"a": 1 "b": 2}', 1, 9, /expected "," or "}"/],
  ["single quotes", "{'a': 1}", 1, 2, /double quotes/],
  ["a comment", "{\n// no\n}", 2, 1, /double quotes/],
  ["text behind the value", "{} x", 1, 4, /nothing may follow/],
  ["a string without its end", '["abc', 1, 2, /string does not end/],
  ["a bare word", "[nope]", 1, 2, /expected a value/],
  ["a wrong bracket", "[1}", 1, 3, /expected "," or "]"/],
];

describe("parseJson", () => {
  for (const [name, text, line, column, reason] of failures) {
    test(`names the place of ${name}`, () => {
      const result = parseJson(text);
      expect(result).toMatchObject({ ok: false, failure: { line, column } });
      expect(result.ok ? "" : result.failure.reason).toMatch(reason);
    });
  }

  test("leaves a byte order mark out of account", () => {
    expect(parseJson('\uFEFF{"a":1}')).toEqual({ ok: true, value: { a: 1 } });
  });

  test("answers as JSON.parse does for any text, and never throws", () => {
    const torn = fc.tuple(fc.json(), fc.nat(), fc.string()).map(([json, at, noise]) => {
      const cut = at % (json.length + 1);
      return json.slice(0, cut) + noise + json.slice(cut);
    });
    fc.assert(
      fc.property(fc.oneof(torn, fc.string(), fc.json()), (text) => {
        let valid = true;
        try {
          JSON.parse(text.startsWith("\uFEFF") ? text.slice(1) : text);
        } catch {
          valid = false;
        }
        const result = parseJson(text);
        expect(result.ok).toBe(valid);
        if (result.ok) return;
        expect(result.failure.reason).not.toContain("nested too deeply");
        expect(result.failure.line).toBeGreaterThan(0);
        expect(result.failure.column).toBeGreaterThan(0);
      }),
    );
  });

  test("survives any depth", () => {
    expect(parseJson("[".repeat(2_000_000)).ok).toBe(false);
  });
});
