import fc from "fast-check";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { columnsOf, createColumnBuilder } from "#src/protocol/columns/builder.ts";
import { scanEntries } from "#src/protocol/columns/scan.ts";
import { pickColumns, sliceColumns } from "#src/protocol/columns/stretch.ts";
import { parseInstant } from "#src/lib/instant.ts";
import { type LogEntry, levels, logEntry, streams } from "#src/protocol/log.ts";
import { z } from "#src/protocol/schema.ts";
import { entriesOf } from "#test/hub/kit/columns.ts";

setDefaultTimeout(60_000);

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("", '"quoted" and \\', "two\nlines\r\n", "\u001b[31mred\u001b[0m", "a\0b", "\ud800 alone", "😀 é ü"),
);
const entry: fc.Arbitrary<LogEntry> = fc
  .record({
    seq: fc.oneof(fc.nat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER, 999_999_999_999_999)),
    at: fc.oneof(
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-12-31") }).map((date) => date.toISOString()),
      fc.constantFrom(
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.1Z",
        "2026-01-01T00:00:00.123456789Z",
        "2026-01-01T00:00Z",
      ),
    ),
    source: fc.constantFrom("api", "web-1", "ü/ö", "a\\b", 'q"q', "x".repeat(128)),
    stream: fc.constantFrom(...streams),
    level: fc.constantFrom(...levels),
    message: text,
    fields: fc.option(fc.dictionary(fc.constantFrom("a", "seq", "__proto__"), fc.jsonValue(), { maxKeys: 2 }), {
      nil: undefined,
    }),
  })
  // fields are as a wire would bring them
  .map((one) => JSON.parse(JSON.stringify(one)) as LogEntry);

const encode = (entries: readonly object[]): string => entries.map((one) => `${JSON.stringify(one)}\n`).join("");

/** What reading line by line through the schema gives; undefined: it is refused. */
function readSlowly(plain: Uint8Array): LogEntry[] | undefined {
  const entries: LogEntry[] = [];
  for (const line of Buffer.from(plain).toString("latin1").split("\n")) {
    const own = Buffer.from(line, "latin1").toString().trim();
    if (own === "") continue;
    try {
      const value = JSON.parse(own) as Record<string, unknown>;
      const { success, data } = z.core.safeParse(logEntry, value);
      if (!success || !Number.isSafeInteger(data.seq)) return undefined;
      // not what the schema makes of it, which has no field called __proto__; and JSON has no number beyond 1.8e308
      const fields = JSON.parse(JSON.stringify(value["fields"] ?? null)) as LogEntry["fields"] | null;
      entries.push({ ...data, ...(data.fields === undefined || fields === null ? {} : { fields }) });
    } catch {
      // refused as well
      return undefined;
    }
  }
  return entries;
}

function scanned(plain: Uint8Array): LogEntry[] | undefined {
  const columns = scanEntries(plain);
  return columns === null ? undefined : entriesOf(columns);
}

/** Entries, in any of the forms that JSON has for them. */
const written = fc
  .tuple(entry, fc.constantFrom("plain", "spaced", "escaped", "turned", "pos", "unknown", "twice"))
  .map(([one, form]) => {
    const json = JSON.stringify(one);
    if (form === "spaced") return JSON.stringify(one, null, 1).replaceAll("\n", " ");
    if (form === "escaped")
      return json.replaceAll(/[^\0-\x7f]|[a-e]/gu, (char) =>
        [...Array(char.length).keys()].map((i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
      );
    if (form === "turned") return JSON.stringify(Object.fromEntries(Object.entries(one).toReversed()));
    if (form === "pos") return `${json.slice(0, -1)},"pos":${one.seq}}`;
    if (form === "unknown") return `${json.slice(0, -1)},"__proto__":{"seq":-1}}`;
    return form === "twice" ? `${json.slice(0, -1)},"message":"another"}` : json;
  });

describe("scanning", () => {
  test("gives what JSON.parse and the schema give, whichever way entries are written", () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 6 }), fc.constantFrom("\n", "\r\n", "\n\n \n"), (lines, end) => {
        const plain = Buffer.from(lines.join(end));
        expect(scanned(plain)).toEqual(readSlowly(plain));
      }),
      { numRuns: 3000 },
    );
  });

  test("takes and refuses the same as JSON.parse and the schema, whatever bytes are changed, lost or put in", () => {
    const change = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("flip", "cut", "insert", "end"),
      byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(34, 92, 10, 0, 0x7f, 48, 0xc3)),
    });
    fc.assert(
      fc.property(
        fc.array(entry, { minLength: 1, maxLength: 3 }),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (entries, changes) => {
          let plain = Buffer.from(encode(entries));
          for (const { at, kind, byte } of changes) {
            const place = at % (plain.length + 1);
            const rest = kind === "insert" ? 0 : 1;
            const middle = kind === "cut" || kind === "end" ? [] : [byte];
            plain = Buffer.concat([
              plain.subarray(0, place),
              Buffer.from(middle),
              kind === "end" ? Buffer.alloc(0) : plain.subarray(place + rest),
            ]);
          }
          const got = scanned(plain);
          // what is no UTF-8 is for who can put something in its place
          if (got === undefined && Buffer.from(plain.toString()).compare(plain) !== 0) return;
          expect(got).toEqual(readSlowly(plain));
        },
      ),
      { numRuns: 5000 },
    );
  });

  test("is right for thousands of entries of many sources, with times that go back", () => {
    const entries = Array.from({ length: 20_000 }, (_, i) => ({
      seq: i,
      at: new Date(1.7e12 + ((i * 7919) % 20_000) * 37).toISOString(),
      source: `source-${(i * 31) % 700}`,
      stream: streams[i % streams.length] ?? "stdout",
      level: levels[i % levels.length] ?? "info",
      message: `line ${i} said "${"x".repeat(i % 90)}"\t\u00e9`,
      ...(i % 3 === 0 ? { fields: { container: `c${i % 2}` } } : {}),
    }));
    expect(scanned(Buffer.from(encode(entries)))).toEqual(entries);
  });

  test("refuses a line of more than a mebibyte", () => {
    const long = { seq: 1, at: "2026-01-01T00:00:00.000Z", source: "a", stream: "cli", level: "info", message: "" };
    const fits = { ...long, message: "x".repeat(2 ** 20 - JSON.stringify(long).length) };
    expect(scanEntries(Buffer.from(encode([fits])))?.count).toBe(1);
    expect(scanEntries(Buffer.from(encode([{ ...fits, message: `${fits.message}x` }])))).toBe(null);
  });

  test("refuses a line that ends early, wherever that is", () => {
    const line = JSON.stringify({ ...base, message: 'a "b"', fields: { c: 1 } });
    for (let end = 1; end < line.length; end++) expect(scanEntries(Buffer.from(line.slice(0, end)))).toBe(null);
    const bare = JSON.stringify({ ...base, message: "a" });
    for (let end = 1; end < bare.length; end++) expect(scanEntries(Buffer.from(bare.slice(0, end)))).toBe(null);
  });

  test("gives columns that later calls leave alone", () => {
    const one = scanEntries(Buffer.from(encode([{ ...base, message: "first" }])));
    scanEntries(Buffer.from(encode([{ ...base, message: "second" }])));
    expect(one?.text.toString()).toBe("first\n");
  });
});

const base = { seq: 1, at: "2026-01-01T00:00:00.000Z", source: "a", stream: "stdout", level: "info" } as const;

describe("building", () => {
  test("from entries gives them back, and from any stretches of columns those stretches", () => {
    fc.assert(
      fc.property(fc.array(fc.array(entry, { maxLength: 5 }), { maxLength: 4 }), fc.nat(), (groups, cut) => {
        const all = groups.flat();
        const columns = columnsOf(
          all,
          all.map(({ at }) => parseInstant(at)),
        );
        expect(entriesOf(columns)).toEqual(all);
        const from = cut % (all.length + 1);
        const slice = sliceColumns(columns, from, all.length);
        expect(entriesOf(slice)).toEqual(all.slice(from));
        const order = all.map((_, i) => all.length - 1 - i);
        expect(entriesOf(pickColumns(columns, order))).toEqual(all.toReversed());
        const builder = createColumnBuilder();
        for (const group of groups) {
          const own = columnsOf(
            group,
            group.map(({ at }) => parseInstant(at)),
          );
          builder.addRange(own, 0, group.length);
          for (const one of group.slice(0, 1)) builder.add(one, parseInstant(one.at));
        }
        expect(entriesOf(builder.columns())).toEqual(groups.flatMap((group) => [...group, ...group.slice(0, 1)]));
      }),
      { numRuns: 500 },
    );
  });
});
