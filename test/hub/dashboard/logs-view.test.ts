/** What the log page is made of, without a browser. */
import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { barsOf, censusOf, sumOf, withArrived } from "#src/hub/dashboard/pages/logs/bars.ts";
import { fieldsOf, headline, messageFields } from "#src/hub/dashboard/pages/logs/fields.ts";
import { hitsIn, patternsOf, withHits } from "#src/hub/dashboard/pages/logs/highlight.ts";
import {
  type Line,
  entryLine,
  firstEntry,
  gapLine,
  heldLength,
  mergeLines,
} from "#src/hub/dashboard/pages/logs/lines.ts";
import { markOf } from "#src/hub/dashboard/pages/logs/mark-of.ts";
import { comparePlaces, readPlace, writePlace } from "#src/hub/dashboard/pages/logs/place.ts";
import { fixedSpan, widerStretch } from "#src/hub/dashboard/pages/logs/span.ts";
import {
  type View,
  filterOf,
  readQuery,
  readView,
  requestOf,
  withPart,
  writeView,
} from "#src/hub/dashboard/pages/logs/view.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { matcherOf } from "#src/protocol/query-match.ts";
import { parseQuery } from "#src/protocol/query-parser.ts";
import { crash, entry } from "#test/hub/kit/hub.ts";

const view = (query = "") => readView(new URLSearchParams(query));
const stored = (id: number, rest: Partial<StoredEntry> = {}): StoredEntry => ({
  ...entry(id),
  id: String(id),
  serverId: "s1",
  ...rest,
});

describe("the address of a view", () => {
  test("holds all of it, whatever it is", () => {
    const name = fc.string({ minLength: 1, maxLength: 20 });
    const names = fc.uniqueArray(name, { maxLength: 4 });
    const views = fc.record<View>({
      q: fc.string({ maxLength: 60 }),
      sources: names,
      servers: names,
      containers: names,
      level: fc.constantFrom("", "info", "warn", "error", "fatal"),
      span: fc.oneof(
        fc.constantFrom("15m", "1h", "24h", "all").map((one) => ({ kind: "live" as const, name: one as "1h" })),
        fc.tuple(fc.nat(2e12), fc.integer({ min: 1, max: 1e9 })).map(([from, long]) => fixedSpan(from, from + long)),
      ),
      wrap: fc.boolean(),
      at: fc.constant(null),
    });
    fc.assert(
      fc.property(views, (one) => {
        expect(view(writeView(one).split("?")[1] ?? "")).toEqual(one);
      }),
    );
  });

  test("of a line without a time shows the hour before it and the hour after it", () => {
    const ms = Date.parse("2026-01-01T10:00:00.000Z");
    expect(view(`server=s1&at=${ms}.17`)).toMatchObject({
      at: { ms, position: 17 },
      span: { kind: "fixed", fromMs: ms - 3_600_000, toMs: ms + 3_600_000 },
    });
  });

  test("takes the time of an event as well as the place of a line, and nothing else", () => {
    expect(readPlace("2026-01-01T00:00:00.000Z")).toEqual({ ms: Date.UTC(2026), position: 0 });
    expect(readPlace(writePlace({ ms: 5, position: 7 }))).toEqual({ ms: 5, position: 7 });
    expect(readPlace("yesterday")).toBeNull();
  });

  test("that makes no sense is that of the last hour", () => {
    expect(view("range=forever&level=loud&from=x&to=y&at=z")).toEqual(view());
    expect(view().span).toEqual({ kind: "live", name: "1h" });
    expect(widerStretch("1h")).toBe("6h");
    expect(widerStretch("all")).toBe("all");
  });
});

describe("what is asked of the hub", () => {
  test("of one source and server is asked by name, of several in the query", () => {
    expect(filterOf(view("q=x&source=api&server=s1&level=warn")).toString()).toBe(
      "q=x&source=api&server=s1&level=warn",
    );
    expect(filterOf(view("q=a+OR+b&source=api&source=web&server=s1")).get("q")).toBe(
      "(a OR b) (source:api OR source:web)",
    );
  });

  test("finds exactly the lines of the chosen sources, whatever they are called", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[!-~]{1,12}$/), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(names, names, (chosen, others) => {
        const { query } = parseQuery(filterOf({ ...view(), sources: chosen }).get("q") ?? "");
        const matches = matcherOf(query ?? { kind: "not", part: { kind: "all" } });
        for (const source of [...chosen, ...others]) {
          const wanted = chosen.some((one) => one.toLowerCase() === source.toLowerCase());
          expect(matches(stored(1, { source }))).toBe(wanted);
        }
      }),
    );
  });

  test("ends now where a view is live, and where it says otherwise", () => {
    const now = Date.parse("2026-01-01T12:00:00.000Z");
    expect(requestOf(view("range=15m"), now).toString()).toBe("from=2026-01-01T11%3A45%3A00.000Z");
    expect(requestOf(view("range=all"), now).toString()).toBe("");
    expect(requestOf(view("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"), now).get("to")).toBe(
      "2026-01-02T00:00:00.000Z",
    );
  });

  test("is nothing while it can't be read, and says where that is", () => {
    expect(readQuery(view('q=a+"b'))).toMatchObject({ problem: "the quote is not closed", from: 2 });
    const many = { ...view(), servers: Array.from({ length: 40 }, () => crypto.randomUUID()) };
    expect(readQuery(many).problem).toContain("too many");
  });

  test("narrows step by step", () => {
    expect(withPart("", "status:500", false)).toBe("status:500");
    expect(withPart("a OR b", "status:500", true)).toBe("(a OR b) -status:500");
    expect(withPart("a", "status:500", false)).toBe("a status:500");
  });
});

describe("lines", () => {
  const keys = (lines: readonly Line[]) => lines.map(({ key }) => key);

  test("are in order and there once, however they arrive", () => {
    const entries = fc.uniqueArray(
      fc.record({ id: fc.integer({ min: 1, max: 500 }), ms: fc.integer({ min: 0, max: 40 }) }),
      {
        selector: ({ id }) => id,
        maxLength: 60,
      },
    );
    const at = (ms: number) => new Date(ms).toISOString();
    fc.assert(
      fc.property(entries, fc.array(fc.array(fc.nat()), { maxLength: 6 }), (all, batches) => {
        const lines = all.map(({ id, ms }) => entryLine(stored(id, { at: at(ms) })));
        let merged: readonly Line[] = [];
        for (const batch of [...batches, lines.map((_, i) => i)]) {
          merged = mergeLines(
            merged,
            batch.map((i) => lines[i % lines.length]).filter((line) => line !== undefined),
          );
        }
        expect(keys(merged)).toEqual(keys(lines.toSorted((a, b) => comparePlaces(a.place, b.place))));
      }),
    );
  });

  test("that are left out are told of before what comes next", () => {
    const [one, two] = [entryLine(stored(1)), entryLine(stored(90))];
    const merged = mergeLines([one], [gapLine(two.place, 88), two]);
    expect(merged.map((line) => (line.kind === "gap" ? line.lines : line.key))).toEqual(["1", 88, "90"]);
    expect(firstEntry(merged)).toBe(one);
  });

  test("of a megabyte are held in part", () => {
    const line = entryLine(stored(1, { message: "x".repeat(1_000_000) }));
    expect([line.entry.message.length, line.whole]).toEqual([heldLength, 1_000_000]);
  });
});

describe("what was searched for", () => {
  const hits = (query: string, text: string) =>
    hitsIn(text, patternsOf(parseQuery(query).query ?? { kind: "all" })).map(({ from, to }) => text.slice(from, to));

  test("is marked, what must not be there and what is asked of fields isn't", () => {
    expect(hits("Timeout (refused OR /\\d+ ms/) -slow status:500", "timeout, REFUSED after 12 ms, slow 500")).toEqual([
      "timeout",
      "REFUSED",
      "12 ms",
    ]);
    expect(hits("'Case'", "case Case")).toEqual(["Case"]);
    expect(hits("ab bc", "abc")).toEqual(["abc"]);
  });

  test("never changes the text", () => {
    const pieces = fc.array(fc.record({ text: fc.string({ minLength: 1 }), style: fc.constantFrom("", "bold") }));
    fc.assert(
      fc.property(pieces, fc.string({ minLength: 1, maxLength: 2 }), (all, wanted) => {
        const text = all.map((piece) => piece.text).join("");
        const shown = withHits(all, hitsIn(text, [new RegExp(RegExp.escape(wanted), "g")]));
        expect(shown.map((piece) => piece.text).join("")).toBe(text);
        expect(shown.every((piece) => piece.text !== "")).toBe(true);
      }),
    );
  });
});

describe("fields", () => {
  test("of an entry make queries that find it", () => {
    const one = stored(1, { fields: { status: 500, user: { name: "Ada L" }, level: "odd", list: [1], none: null } });
    const fields = fieldsOf(one);
    expect(fields.map(({ path, query }) => [path, query])).toEqual([
      ["status", "status:500"],
      ["user.name", 'user.name:"Ada L"'],
      ["level", "fields.level:odd"],
      ["list", null],
      ["none", null],
    ]);
    for (const { query } of fields) {
      if (query !== null) expect(matcherOf(parseQuery(query).query ?? { kind: "all" })(one)).toBe(true);
    }
  });

  test("of a JSON message find it too, with spaces or without", () => {
    for (const message of ['{"msg":"done","status":500,"a":{"b":"x \\"y\\""}}', '{"msg": "done", "status": 500}']) {
      const one = stored(1, { message });
      const fields = messageFields(message);
      expect(fields.find(({ path }) => path === "status")?.value).toBe("500");
      for (const { query } of fields)
        expect(matcherOf(parseQuery(query ?? "-*").query ?? { kind: "all" })(one)).toBe(true);
    }
    expect(messageFields("{no json}")).toEqual([]);
  });

  test("a JSON line shows its message first", () => {
    expect(headline('{"level":30,"msg":"done","status":200}')).toEqual({ text: "done", rest: "status=200" });
    expect(headline("plain")).toBeNull();
    expect(headline('{"a":1}')).toBeNull();
  });
});

describe("lines over time", () => {
  const at = (ms: number) => new Date(ms).toISOString();
  const bars = barsOf({
    step: 1,
    buckets: [
      { at: at(0), counts: { info: 10 } },
      { at: at(1000), counts: {} },
      { at: at(2000), counts: { info: 20, error: 10 } },
    ],
    total: 40,
    partial: false,
  });

  test("count what comes, and forget what is too old", () => {
    const { steps } = withArrived(bars, new Map([["warn", 3]]), 2500, 1500);
    expect([...steps].map(([begin, counts]) => [begin, sumOf(counts)])).toEqual([[2000, 33]]);
  });

  test("say where among all a line is, and which time that is", () => {
    const census = censusOf(bars);
    expect(census.total).toBe(40);
    expect([-5, 0, 500, 1500, 2000, 9000].map((ms) => census.before(ms))).toEqual([0, 0, 5, 10, 10, 40]);
    expect([0, 5, 25].map((index) => census.timeOf(index))).toEqual([0, 500, 2500]);
    expect(censusOf({ ...bars, steps: new Map() }).before(5)).toBe(0);
  });
});

describe("an event", () => {
  const event = { id: "9", serverId: "s1", hostname: "web-1", event: crash({ script: "api" }) };

  test("is a mark between the lines that it is about", () => {
    expect(markOf(event, view("source=api&server=s1"))).toMatchObject({ id: "9", subject: "api" });
    expect(markOf(event, view("source=web"))).toBeNull();
    expect(markOf(event, view("server=s2"))).toBeNull();
    expect(markOf(event, view("from=2027-01-01T00:00:00Z&to=2027-01-02T00:00:00Z"))).toBeNull();
  });

  test("of lost lines says how many", () => {
    const time = "2026-01-01T00:00:00.000Z";
    const sources = [{ source: "api", count: 7, from: time, to: time }];
    expect(
      markOf({ ...event, event: { type: "logs.dropped", at: time, total: 7, sources } }, view("source=api")),
    ).toMatchObject({ lines: 7, subject: null });
  });
});
