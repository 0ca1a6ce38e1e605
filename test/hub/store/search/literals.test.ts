import { expect, test } from "bun:test";
import fc from "fast-check";

import { type Need, needOf, needOfRegex } from "#src/hub/store/search/literals.ts";
import { matcherOf } from "#src/protocol/query-match.ts";
import { parseQuery } from "#src/protocol/query-parser.ts";
import { parseRegex } from "#src/protocol/query-regex.ts";
import { lines, queries } from "./arbitrary.ts";

/** A need as text: literals, `&` and `|`. */
function show(need: Need): string {
  if (need === null) return "nothing";
  if (need.kind === "literal") return need.text;
  return `(${need.parts.map(show).join(need.kind === "all" ? " & " : " | ")})`;
}

/** Whether a text has what is needed. */
function has(need: Need, text: string): boolean {
  if (need === null) return true;
  if (need.kind === "literal") return text.includes(need.text);
  const parts = need.parts.map((part) => has(part, text));
  return need.kind === "all" ? parts.every(Boolean) : parts.some(Boolean);
}

// what a filter folds: ASCII letters
const folded = (text: string) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const needs: readonly (readonly [string, string])[] = [
  ["Timeout", "timeout"],
  ["connection refused", "(connection & refused)"],
  ["alpha OR beta", "(alpha | beta)"],
  ["alpha OR no OR beta", "nothing"],
  ["alpha -beta", "alpha"],
  ["größenwahn", "enwahn"],
  ["日本語 'Größe'", "(日本語 & größe)"],
  ["'GRÖSSE'", "sse"],
  ["level:error", "nothing"],
  ["status:500", "500"],
  ["user.email:ada@example.com", "ada@example.com"],
  ["latency>100", "latency"],
  ["/time(d )?out/", "(time & out)"],
  ["/(?:error|failed) code [0-9]+/i", "((error | failed) &  code )"],
  ["/\\d+\\.\\d+/", "nothing"],
  ["/abc\\.def+/", "abc.de"],
];
for (const [written, need] of needs) {
  test(`of ${written} every match holds ${need}`, () => {
    expect(show(needOf(parseQuery(written).query ?? { kind: "all" }))).toBe(need);
  });
}

test("every entry that matches a query holds what the query needs", () => {
  fc.assert(
    fc.property(queries, lines, (query, all) => {
      const [matches, need] = [matcherOf(query), needOf(query)];
      for (const { entry } of all) {
        if (!matches(entry)) continue;
        const text = folded(`${entry.message}\n${entry.fields === undefined ? "" : JSON.stringify(entry.fields)}`);
        expect([has(need, text), text, show(need)]).toEqual([true, text, show(need)]);
      }
    }),
    { numRuns: 1000 },
  );
});

test("every text that an expression matches holds what the expression needs", () => {
  const piece = fc.constantFrom(
    "abc",
    "a",
    "[bc]",
    ".",
    "(?:abc|bca)",
    "(?:ab)?",
    "c+",
    "\\d",
    "(abca){2}",
    "^",
    "\\b",
    "|",
    "\\x61bc",
    "B",
  );
  const source = fc.array(piece, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(""));
  const text = fc
    .array(fc.constantFrom("abc", "a", "b", "c", "1", "B", " "), { maxLength: 12 })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(source, fc.constantFrom("", "i"), fc.array(text, { maxLength: 20 }), (written, flags, texts) => {
      if (parseRegex(written, flags).node === undefined) return;
      const [pattern, need] = [new RegExp(written, flags), needOfRegex(written, flags)];
      for (const one of texts) if (pattern.test(one)) expect(has(need, folded(one))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
