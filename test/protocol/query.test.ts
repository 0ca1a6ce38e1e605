import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { matcherOf } from "#src/protocol/query-match.ts";
import { describeProblem, parseQuery } from "#src/protocol/query-parser.ts";
import { printQuery } from "#src/protocol/query-printer.ts";
import { parseRegex } from "#src/protocol/query-regex.ts";
import type { Query } from "#src/protocol/query.ts";
import { lines, queries } from "#test/hub/store/search/arbitrary.ts";

const text = (value: string, caseSensitive = false): Query => ({ kind: "text", text: value, caseSensitive });
const is = (path: string, value: string): Query => ({ kind: "field", path, test: { kind: "is", text: value } });

describe("parseQuery", () => {
  const meanings: readonly (readonly [string, Query])[] = [
    ["", { kind: "all" }],
    ["  ", { kind: "all" }],
    ["*", { kind: "all" }],
    ["timeout", text("timeout")],
    ["connection refused", { kind: "and", parts: [text("connection"), text("refused")] }],
    ["connection AND refused", { kind: "and", parts: [text("connection"), text("refused")] }],
    ['"connection refused"', text("connection refused")],
    ["'Connection'", text("Connection", true)],
    ['"say \\"hi\\"\\n"', text('say "hi"\n')],
    ['"C:\\dir"', text("C:\\dir")],
    ["a OR b c", { kind: "or", parts: [text("a"), { kind: "and", parts: [text("b"), text("c")] }] }],
    ["(a OR b) c", { kind: "and", parts: [{ kind: "or", parts: [text("a"), text("b")] }, text("c")] }],
    [
      "-a NOT b",
      {
        kind: "and",
        parts: [
          { kind: "not", part: text("a") },
          { kind: "not", part: text("b") },
        ],
      },
    ],
    ["-(a OR b)", { kind: "not", part: { kind: "or", parts: [text("a"), text("b")] } }],
    ["or and not", { kind: "and", parts: [text("or"), text("and"), text("not")] }],
    ["/time(d )?out/i", { kind: "regex", source: "time(d )?out", flags: "i" }],
    ["/a b[/]c\\/d/", { kind: "regex", source: "a b[/]c\\/d", flags: "" }],
    ["status:500", is("status", "500")],
    ['user.name:"Ada L"', is("user.name", "Ada L")],
    ['fields."odd name":x', is("fields.odd name", "x")],
    ["level:Error", is("level", "Error")],
    ["level>=warn", { kind: "field", path: "level", test: { kind: "compare", operator: ">=", number: 2 } }],
    ["ms>1.5e3", { kind: "field", path: "ms", test: { kind: "compare", operator: ">", number: 1500 } }],
    ["user:*", { kind: "field", path: "user", test: { kind: "exists" } }],
    ["host:web-*.eu", { kind: "field", path: "host", test: { kind: "like", pieces: ["web-", ".eu"] } }],
    ["path:/^.api/", { kind: "field", path: "path", test: { kind: "regex", source: "^.api", flags: "" } }],
  ];
  for (const [written, query] of meanings) {
    test(`reads ${written === "" ? "nothing" : written}`, () => {
      expect(parseQuery(written)).toEqual({ query });
    });
  }

  const plain = [
    "http://example.com/a",
    "12:30:15",
    "std::vector",
    "Error:",
    "/api/v1/users",
    "it's",
    "'tis",
    "a-b",
    "->",
    "--flag",
    "a=b",
    "10.0.0.1",
    "{x}",
    "ünï",
    "日本",
  ];
  test("takes for text what only looks like something else", () => {
    for (const word of plain) expect([word, parseQuery(word).query]).toEqual([word, text(word)]);
  });

  const problems: readonly (readonly [string, string, string])[] = [
    ["an open parenthesis", "a (b", "column 3: the parenthesis is not closed"],
    ["a stray parenthesis", "a b)", "column 4: this parenthesis closes nothing"],
    ["an open quote", 'x "abc', "column 3: the quote is not closed"],
    ["nothing between parentheses", "a ()", "column 4: ) stands where a word is needed; in quotes it is text"],
    ["OR at the beginning", "OR a", "column 1: OR stands where a word is needed; in quotes it is text"],
    ["OR at the end", "a OR", "column 3: something is missing after OR"],
    ["a level that there is not", "x level:bad", "column 3: a level is one of debug, info, warn, error, fatal"],
    [
      "a comparison with a word",
      "ms>fast",
      "column 4: after > a number is needed: write ms>100, or put it in quotes to search for the text",
    ],
    ["an operator behind a colon", "ms:>5", "column 3: write ms>… without the colon"],
    ["a reference to a group", "/(a)\\1/", "column 1: references to an earlier group are not supported"],
  ];
  for (const [what, written, problem] of problems) {
    test(`points at ${what}`, () => {
      const parsed = parseQuery(written);
      expect(parsed.query === undefined ? describeProblem(parsed) : parsed.query).toBe(problem);
    });
  }

  test("takes any text, and points into it when it is no query", () => {
    const piece = fc.constantFrom(
      ..."()\"'/-:*<>\\ ".split(""),
      " OR ",
      "AND",
      "NOT ",
      "level:",
      "a",
      "[",
      "{2}",
      "\n",
      "\ud800",
      "fields.",
    );
    const written = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(piece, { maxLength: 30 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(written, (q) => {
        const parsed = parseQuery(q);
        if (parsed.query === undefined) {
          expect(parsed.from).toBeGreaterThanOrEqual(0);
          expect(parsed.from).toBeLessThanOrEqual(parsed.to);
          expect(parsed.to).toBeLessThanOrEqual(q.length);
          return;
        }
        // what it printed is read back as the same
        const printed = printQuery(parsed.query);
        expect(printQuery(parseQuery(printed).query ?? { kind: "all" })).toBe(printed);
      }),
      { numRuns: 500 },
    );
  });

  test("refuses what is too deep or too long instead of failing", () => {
    expect(parseQuery("(".repeat(900)).problem).toContain("parentheses inside one another");
    expect(parseQuery("x".repeat(1001)).problem).toContain("at most 1000 characters");
  });
});

test("a printed query finds the same entries", () => {
  fc.assert(
    fc.property(queries, lines, (query, all) => {
      const printed = printQuery(query);
      const { query: read, problem } = parseQuery(printed.slice(0, 1000));
      if (printed.length > 1000) return;
      expect(problem).toBeUndefined();
      const [a, b] = [matcherOf(query), matcherOf(read ?? { kind: "all" })];
      for (const { entry } of all) expect(b(entry)).toBe(a(entry));
    }),
    { numRuns: 500 },
  );
});

describe("an expression", () => {
  const dangerous = [
    "(a+)+$",
    "(\\w+\\s?)*x",
    "(a|a)*b",
    "(a|ab)*c",
    "([a-z]+)*1",
    "(.*?,)+x",
    "(a?){30}b",
    "((ab)*)*c",
    "(x+x+)+y",
    `${"a?".repeat(20)}${"a".repeat(20)}`,
    "a*a*a*a*a*a*a*a*b",
  ];
  for (const source of dangerous) {
    test(`is refused when it could take forever: ${source}`, () => {
      expect(parseRegex(source, "").problem).toContain("could take forever");
    });
  }

  const harmless = [
    "(\\d+\\.)+\\d+",
    "(?:foo|bar)*baz",
    "\\d{1,3}(?:\\.\\d{1,3}){3}",
    "^\\s*at .*:\\d+$",
    "(error|exception)+",
    "a.*b.*c.*d",
    "https?://[^/ ]+/\\S*\\s+\\d+\\.?\\d*",
    '^(\\S+) (\\S+) \\[([^\\]]*)\\] "([^"]*)" (\\d+) (\\d+|-)',
    "(?<year>\\d{4})-(?<month>\\d\\d)",
    "(?:[0-9a-f]{2}:){5}[0-9a-f]{2}",
    "(?=x)y|(?<!a)b",
    "[^\\]]+\\]",
    "\\p{L}+",
    "(\\w+\\s)+done",
  ];
  for (const source of harmless) {
    test(`is taken when it can't: ${source}`, () => {
      expect(parseRegex(source, source.includes("\\p") ? "u" : "").problem).toBeUndefined();
    });
  }

  test("is taken or refused, whatever it is, and never throws", () => {
    const piece = fc.constantFrom(
      ..."ab.*+?()[]{}|^$\\-,:=!<>123".split(""),
      "\\d",
      "\\w",
      "(?:",
      "(?=",
      "[^",
      "{2,}",
      "\\u{61}",
      "\\x4",
    );
    const source = fc.array(piece, { minLength: 1, maxLength: 20 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(source, fc.constantFrom("", "i", "u", "is"), (written, flags) => {
        const { node, problem } = parseRegex(written, flags);
        expect(node === undefined).toBe(problem !== undefined);
      }),
      { numRuns: 2000 },
    );
  });
});
