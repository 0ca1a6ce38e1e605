import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { type Clickhouse, openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { translate } from "#src/hub/store/clickhouse/search/expression.ts";
import { saidOf } from "#src/hub/store/clickhouse/search/query-said.ts";
import { quote } from "#src/hub/store/clickhouse/search/sql.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { matcherOf } from "#src/protocol/query-match.ts";
import { parseRegex } from "#src/protocol/query-regex.ts";
import type { FieldTest, Query } from "#src/protocol/query.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { expressions } from "../../search/arbitrary.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

/** What has broken something somewhere. */
const nasty = [
  ...String.raw`\'"%_{}[]()?*+.^$|-#;/ `.split(""),
  "`",
  "\n",
  "\r",
  "\t",
  "\0",
  "\u007f",
  "--",
  "/*",
  "{a:String}",
  "\\x41",
  "\\",
  "' OR 1 --",
  "ſ",
  "K",
  "k",
  "K",
  "İ",
  "ı",
  "i",
  "ß",
  "ẞ",
  "ss",
  "Σ",
  "σ",
  "ς",
  "ö",
  "Ö",
  "Ǆ",
  "ǅ",
  "ǆ",
  "μ",
  "µ",
  "😀",
  "\ud83d",
  "\ude00",
  "\ufffd",
  "\ue000",
  "日本",
  "10.20.30.40",
  "1.2.3.4.5",
  ".20.30.40",
  "918273645",
  "deadbeef-00",
  "550e8400-e29b-41d4-a716-446655440000",
  "a1b2c3d4e5f60718",
  "Error",
  "ERROR",
  "needle",
];
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...nasty) },
  fc.string({ unit: "binary", maxLength: 3 }),
  fc.string({ unit: "binary-ascii", maxLength: 6 }),
  fc.stringMatching(/^[0-9a-f.]{1,12}$/),
);
const message = fc.array(piece, { maxLength: 6 }).map((parts) => parts.join(""));

/** Expressions of everything that is translated, and of some that is not. */
const atom = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "K",
    "s",
    "7",
    ".",
    "\\d",
    "\\D",
    "\\w",
    "\\W",
    "\\s",
    "\\S",
    "\\b",
    "\\B",
    "^",
    "$",
    "é",
    "ſ",
  ),
  fc.constantFrom(
    "\\.",
    "\\/",
    "\\-",
    "\\x41",
    "\\u0042",
    "\\n",
    "\\0",
    "\\t",
    " ",
    "-",
    "/",
    "{",
    "}",
    "]",
    "#",
    "'",
    '"',
  ),
  fc.constantFrom(
    "[a-c]",
    "[^a]",
    "[^\\d]",
    "[\\w.-]",
    "[\\]\\\\^]",
    "[]",
    "[^]",
    "[[]",
    "[-a]",
    "[a-]",
    "[\\b]",
    "[\\s\\S]",
    "[Z-a]",
  ),
  fc.constantFrom("(?=a)", "(?<!b)", "😀", "\\cA", "\\u{41}", "[é-ü]"),
);
const source: fc.Arbitrary<string> = fc.letrec<{ source: string }>((tie) => ({
  source: fc.oneof(
    { maxDepth: 3 },
    fc.array(atom, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("")),
    fc
      .tuple(atom, fc.constantFrom("*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?"))
      .map(([one, times]) => one + times),
    fc.tuple(tie("source"), tie("source")).map(([a, b]) => `${a}|${b}`),
    fc.tuple(tie("source"), fc.constantFrom("", "?", "*", "{2}")).map(([a, times]) => `(${a})${times}`),
    fc.tuple(tie("source"), tie("source")).map(([a, b]) => `(?<x>${a})(?:${b})`),
  ),
})).source;
const flags = fc.constantFrom("", "i", "s", "m", "u", "iu", "is");
const regex = fc
  .oneof(fc.tuple(source, flags), fc.constantFrom(...expressions))
  .filter(([text, of]) => parseRegex(text, of).node !== undefined)
  .map(([text, of]) => ({ kind: "regex", source: text, flags: of }) as const);

const test_: fc.Arbitrary<FieldTest> = fc.oneof(
  fc.record({ kind: fc.constant("is" as const), text: message }),
  fc.record({ kind: fc.constant("in" as const), values: fc.array(message, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant("like" as const), pieces: fc.array(message, { minLength: 2, maxLength: 3 }) }),
  regex,
);
const term: fc.Arbitrary<Query> = fc.oneof(
  fc.record({
    kind: fc.constant("text" as const),
    text: message.filter((text) => text !== ""),
    caseSensitive: fc.boolean(),
  }),
  regex,
  fc.record({ kind: fc.constant("field" as const), path: fc.constant("message"), test: test_ }),
);
const query: fc.Arbitrary<Query> = fc.oneof(
  { weight: 4, arbitrary: term },
  fc.record({ kind: fc.constantFrom("and", "or"), parts: fc.tuple(term, term) }),
  term.map((part) => ({ kind: "not" as const, part })),
);

/** Messages that have to do with a query: some hold what it asks for. */
function near(asked: Query): fc.Arbitrary<string> {
  const texts = textsOf(asked);
  if (texts.length === 0) return message;
  const own = fc.constantFrom(...texts);
  const changed = own.chain((text) => fc.constantFrom(text, text.toUpperCase(), text.toLowerCase()));
  return fc.oneof(
    message,
    changed,
    fc.tuple(piece, changed, piece).map((parts) => parts.join("")),
  );
}

function textsOf(asked: Query): readonly string[] {
  switch (asked.kind) {
    case "text":
      return [asked.text];
    case "field":
      return asked.test.kind === "is"
        ? [asked.test.text]
        : asked.test.kind === "in"
          ? asked.test.values
          : asked.test.kind === "like"
            ? [asked.test.pieces.join(""), asked.test.pieces.join("x")]
            : [];
    case "and":
    case "or":
      return asked.parts.flatMap(textsOf);
    case "not":
      return textsOf(asked.part);
    default:
      return [];
  }
}

describe.skipIf(!haveClickhouse)("what is said of a query in SQL (needs ClickHouse)", () => {
  let client: Clickhouse;
  beforeAll(async () => {
    const url = await (await sharedClickhouse()).freshDatabase();
    client = await openClickhouse(url, { clock: systemClock, log: { info() {} }, cluster: null });
  });
  afterAll(() => client.close());

  /** What ClickHouse says of messages as they are stored. */
  async function ask(conditions: readonly string[], messages: readonly string[]): Promise<number[][]> {
    const rows = messages.map((text) => {
      const odd = text.isWellFormed() ? "" : JSON.stringify({ message: text });
      return `(${quote(text.toWellFormed())}, ${quote(odd)})`;
    });
    const found = await client.rows<{ said: number[] }>(
      `SELECT [${conditions.map((condition) => `toUInt8(${condition})`).join(", ")}] AS said FROM (SELECT arrayJoin([${rows.join(", ")}]) AS row, row.1 AS message, row.2 AS odd)`,
      { settings: { max_query_size: "10000000" } },
    );
    return found.map(({ said }) => said);
  }

  test("holds every match, and what is certain is one, whatever anybody asks for", async () => {
    const asked = query.chain((one) =>
      fc.tuple(fc.constant(one), fc.array(near(one), { minLength: 1, maxLength: 12 })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { minLength: 10, maxLength: 20 }), async (questions) => {
        const messages = questions.flatMap(([, own]) => own);
        const said = questions.map(([one]) => saidOf(one));
        const answers = await ask(
          said.flatMap(({ upper, lower }) => [upper, lower]),
          messages,
        );
        for (const [i, [one]] of questions.entries()) {
          const matches = matcherOf(one);
          for (const [j, text] of messages.entries()) {
            const is = matches({ message: text } as StoredEntry);
            const [upper, lower] = [answers[j]?.[i * 2] === 1, answers[j]?.[i * 2 + 1] === 1];
            expect({ one, text, upper: upper || !is, lower: !lower || is }).toEqual({
              one,
              text,
              upper: true,
              lower: true,
            });
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  test("is exact for text, and for expressions as far as a message is in ASCII", () => {
    const exact = (one: Query) => saidOf(one).upper === saidOf(one).lower;
    const text = (of: string) => ({ kind: "text", text: of, caseSensitive: false }) as const;
    expect([text("Größe"), text("10.20.30.40"), text("İ'\\")].map(exact)).toEqual([true, true, true]);
    expect(exact({ kind: "field", path: "level", test: { kind: "compare", operator: ">=", number: 3 } })).toBe(true);
    expect(saidOf({ kind: "regex", source: "a+b|c", flags: "i" }).lower).toContain("match(");
    expect(translate("(?=a)b", "")).toBeNull();
  });
});
