/** Entries and queries that have to do with one another: words of few letters, so that they often meet. */
import fc from "fast-check";

import type { StoredEntry } from "#src/protocol/api.ts";
import { levels, streams } from "#src/protocol/log.ts";
import type { FieldTest, LogSelection, Query } from "#src/protocol/query.ts";
import type { Line } from "./memory-reader.ts";

export const serverIds = ["alpha", "beta"];
const sources = ["api", "web", "API"];

const words = [
  "error",
  "Error",
  "kasse",
  "größe",
  "GRÖSSE",
  "ΣΑΣ",
  "σας",
  "日本",
  "😀",
  "10.20.30.40",
  "42",
  "timeout",
  "foo",
  "K",
  "ſ",
  "İ",
  "\n",
  "/api/v1",
  'a"b',
  "-",
];
const word = fc.constantFrom(...words);
const message = fc
  .array(fc.oneof({ weight: 4, arbitrary: word }, fc.string({ unit: "grapheme", maxLength: 4 })), { maxLength: 6 })
  .chain((parts) => fc.constantFrom(" ", "").map((joint) => parts.join(joint).toWellFormed()));

const scalar = fc.oneof(
  word.filter((text) => text.isWellFormed()),
  fc.integer({ min: -5, max: 600 }),
  fc.constantFrom(true, null, 1.5, "1.5", "500"),
);
const fields = fc.dictionary(
  fc.constantFrom("status", "http.status", "http", "container", "containerId", "user name", "tags"),
  fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(fc.constantFrom("status", "x"), scalar)),
  { maxKeys: 3 },
);

/** Entries as a store gives them, in order of arrival: the id is the position. */
export const lines: fc.Arbitrary<readonly Line[]> = fc
  .array(
    fc.record({
      ms: fc
        .integer({ min: 1_700_000_000_000, max: 1_700_000_000_030 })
        .map((ms) => (ms - 1_700_000_000_000) * 20_000 + 1_700_000_000_000),
      serverId: fc.constantFrom(...serverIds),
      source: fc.constantFrom(...sources),
      stream: fc.constantFrom(...streams),
      level: fc.constantFrom(...levels),
      message,
      fields: fc.option(fields, { nil: undefined }),
    }),
    { maxLength: 60 },
  )
  .map((all) =>
    all.map(({ ms, fields: own, ...rest }, i): Line => {
      const entry: StoredEntry = { id: String(i + 1), seq: i + 1, at: new Date(ms).toISOString(), ...rest };
      // as JSON gives it back
      return { ms, entry: own === undefined ? entry : { ...entry, fields: JSON.parse(JSON.stringify(own)) as {} } };
    }),
  );

const piece = fc.oneof(
  { weight: 4, arbitrary: word },
  message.map((text) => text.slice(0, 8).toWellFormed()),
);
const text = piece.filter((one) => one !== "");

export const expressions = [
  ["err|time", ""],
  ["ERROR", "i"],
  ["^foo", ""],
  ["o$", "m"],
  ["\\d+\\.\\d+", ""],
  ["[^a-z]+", "i"],
  ["gr.+e", "isu"],
  ["(?:foo ?)?error", ""],
  ["σ", "i"],
  ["k", "iu"],
  ["x*", ""],
  ["^\\d*$", ""],
  ["[a-z]{3}$", "i"],
  ["4\\d(?! )", ""],
  [".+", "s"],
  ["\\S+\\d", ""],
  ["\\d+(?=\\.)", "m"],
  ["\\bfoo\\b", ""],
  ["(?:ab|error|42){1,2}", "i"],
] as const;
const regex = fc.constantFrom(...expressions).map(([source, flags]) => ({ kind: "regex" as const, source, flags }));

const path = fc.constantFrom(
  "level",
  "source",
  "stream",
  "server",
  "container",
  "message",
  "status",
  "http.status",
  "fields.user name",
  "tags",
  "absent",
);
const test: fc.Arbitrary<FieldTest> = fc.oneof(
  fc.constant({ kind: "exists" } as const),
  fc
    .oneof(text, fc.constantFrom("500", "1.5", "true", "error", "alpha", "API"))
    .map((one) => ({ kind: "is", text: one }) as const),
  fc
    .array(fc.oneof(fc.constant(""), text, fc.constantFrom("a", "5")), { minLength: 2, maxLength: 3 })
    .map((pieces) => ({ kind: "like", pieces }) as const),
  fc.record({
    kind: fc.constant("compare" as const),
    operator: fc.constantFrom("<", "<=", ">", ">="),
    number: fc.constantFrom(0, 1, 2, 42, 500),
  }),
  regex,
);

export const queries: fc.Arbitrary<Query> = fc.letrec<{ query: Query }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.oneof(
      fc.record({ kind: fc.constant("text" as const), text, caseSensitive: fc.boolean() }),
      regex,
      fc.record({ kind: fc.constant("field" as const), path, test }),
      fc.constant({ kind: "all" } as const),
    ),
    fc.record({
      kind: fc.constantFrom("and", "or"),
      parts: fc.array(tie("query"), { minLength: 2, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant("not" as const), part: tie("query") }),
  ),
})).query;

const some = <T>(values: readonly T[]) => fc.option(fc.subarray([...values]), { nil: null });
const time = fc.option(fc.integer({ min: 1_700_000_000_000, max: 1_700_000_600_000 }), { nil: null });

export const selections: fc.Arbitrary<LogSelection> = fc.record({
  scope: fc.option(
    fc.subarray(serverIds).map((ids) => new Set(ids)),
    { nil: null },
  ),
  servers: some(serverIds),
  sources: some(sources),
  streams: some(streams),
  level: fc.option(fc.constantFrom(...levels), { nil: null }),
  fromMs: time,
  toMs: time,
  query: queries,
});
