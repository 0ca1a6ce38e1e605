import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { find } from "#src/hub/store/search/find.ts";
import { findContext } from "#src/hub/store/search/context.ts";
import { countOverTime } from "#src/hub/store/search/histogram.ts";
import { countValues } from "#src/hub/store/search/top.ts";
import type { BlockReader } from "#src/hub/store/blocks/reader-port.ts";
import type { EntrySearch, Order } from "#src/hub/store/log-port.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { selectorOf, valueReader } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { lines, queries, selections } from "./arbitrary.ts";
import { type Line, type PieceOfLines, createMemoryReader } from "./memory-reader.ts";

/** Cuts entries into pieces: of one server each, blocks of one source. */
const pieces = fc
  .record({ lines, cuts: fc.array(fc.nat(5), { minLength: 1, maxLength: 10 }) })
  .map(({ lines: all, cuts }) => {
    const made: PieceOfLines[] = [];
    let at = 0;
    for (let i = 0; at < all.length; i++) {
      const size = 1 + (cuts[i % cuts.length] ?? 0) * 4;
      const hot = (cuts[i % cuts.length] ?? 0) % 2 === 0;
      const stretch = all.slice(at, at + size);
      at += size;
      const groups = Map.groupBy(stretch, ({ entry }) => (hot ? entry.serverId : `${entry.serverId} ${entry.source}`));
      for (const group of groups.values()) made.push({ kind: hot ? "hot" : "block", lines: group });
    }
    return { all, reader: createMemoryReader(made) };
  });

const everything: LogSelection = {
  scope: null,
  servers: null,
  sources: null,
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
  query: { kind: "all" },
};

/** What a search must give: plain filtering. */
function expected(all: readonly Line[], selection: LogSelection, order: Order): StoredEntry[] {
  const matches = selectorOf(selection);
  const sign = order === "newest" ? -1 : 1;
  return all
    .filter(({ entry }) => matches(entry))
    .toSorted((a, b) => sign * (a.ms - b.ms || Number(a.entry.id) - Number(b.entry.id)))
    .map(({ entry }) => entry);
}

function result<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function page(reader: BlockReader, search: EntrySearch) {
  const entries: StoredEntry[] = [];
  for (const part of find(reader, search)) {
    if (part?.kind === "hits") entries.push(...part.entries);
    if (part?.kind === "end") return { entries, cursor: part.cursor };
  }
  throw new Error("the search did not end");
}

describe("find", () => {
  test("gives what filtering a plain array gives, page by page, in both directions", () => {
    fc.assert(
      fc.property(
        pieces,
        selections,
        fc.constantFrom<Order>("newest", "oldest"),
        fc.integer({ min: 1, max: 30 }),
        ({ all, reader }, selection, order, limit) => {
          const found: StoredEntry[] = [];
          let cursor: string | null = null;
          do {
            const next = page(reader, { ...selection, order, limit, cursor, budgetMs: null });
            expect(next.entries.length).toBeLessThanOrEqual(limit);
            found.push(...next.entries);
            cursor = next.cursor;
          } while (cursor !== null);
          expect(found).toEqual(expected(all, selection, order));
        },
      ),
      { numRuns: 600 },
    );
  });

  test("turns round at any cursor", () => {
    fc.assert(
      fc.property(pieces, queries, fc.integer({ min: 1, max: 10 }), ({ all, reader }, query, limit) => {
        const search = { ...everything, query, budgetMs: null } as const;
        const first = page(reader, { ...search, order: "newest", limit, cursor: null });
        if (first.cursor === null) return;
        const back = page(reader, { ...search, order: "oldest", limit, cursor: first.cursor });
        expect(back.entries).toEqual(first.entries.slice(0, -1).toReversed());
        expect(all.length).toBeGreaterThan(0);
      }),
    );
  });

  test("goes on behind a time limit without a gap", () => {
    fc.assert(
      fc.property(pieces, queries, fc.constantFrom<Order>("newest", "oldest"), ({ all, reader }, query, order) => {
        const found: StoredEntry[] = [];
        let cursor: string | null = null;
        for (let i = 0; i < 1000; i++) {
          let now = 0;
          const search: EntrySearch = { ...everything, query, order, limit: 1000, cursor, budgetMs: 4 };
          cursor = null;
          // each look at the clock is a millisecond later
          for (const part of find(reader, search, { now: () => now++ })) {
            if (part?.kind === "hits") found.push(...part.entries);
            if (part?.kind === "end") cursor = part.cursor;
          }
          if (cursor === null) break;
        }
        expect(found).toEqual(expected(all, { ...everything, query }, order));
      }),
    );
  });
});

test("whatever is renewed or left out for want of memory on the way, a search finds the same", () => {
  const bounds = fc.record({
    snapshotMs: fc.integer({ min: 0, max: 20 }),
    waitingBytes: fc.integer({ min: 1, max: 5000 }),
  });
  fc.assert(
    fc.property(
      pieces,
      selections,
      fc.constantFrom<Order>("newest", "oldest"),
      fc.integer({ min: 1, max: 100 }),
      bounds,
      ({ all, reader }, selection, order, limit, world) => {
        let now = 0;
        const found: StoredEntry[] = [];
        const search: EntrySearch = { ...selection, order, limit, cursor: null, budgetMs: null };
        for (const part of find(reader, search, { ...world, now: () => now++ })) {
          if (part?.kind === "hits") found.push(...part.entries);
        }
        expect(found).toEqual(expected(all, selection, order).slice(0, limit));
      },
    ),
    { numRuns: 500 },
  );
});

describe("what is counted", () => {
  test("a histogram has every matching entry in its bucket and level", () => {
    fc.assert(
      fc.property(
        pieces,
        selections,
        fc.constantFrom(null, 1000, 60_000, 300_000),
        ({ all, reader }, selection, stepMs) => {
          const histogram = result(countOverTime(reader, selection, stepMs, null));
          const counts = new Map<string, number>();
          for (const { at, level } of expected(all, selection, "oldest")) {
            const bucket = Math.floor(Date.parse(at) / histogram.stepMs) * histogram.stepMs;
            counts.set(`${bucket} ${level}`, (counts.get(`${bucket} ${level}`) ?? 0) + 1);
          }
          const found = histogram.buckets.flatMap(({ fromMs, counts: of }) =>
            Object.entries(of).map(([level, count]): [string, number] => [`${fromMs} ${level}`, count]),
          );
          expect(new Map(found)).toEqual(counts);
          expect(histogram.total).toBe(expected(all, selection, "oldest").length);
          if (stepMs === null) expect(histogram.buckets.length).toBeLessThanOrEqual(200);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("top values are those of a plain count", () => {
    const paths = ["level", "stream", "server", "source", "status", "tags", "http.status", "message"];
    fc.assert(
      fc.property(pieces, selections, fc.constantFrom(...paths), ({ all, reader }, selection, path) => {
        const { values } = result(countValues(reader, selection, { path, limit: 1000, budgetMs: null }));
        const counts = new Map<string, number>();
        for (const entry of expected(all, selection, "oldest")) {
          const own = valueReader(path)(entry).map((value) =>
            typeof value === "string" ? value : JSON.stringify(value),
          );
          for (const value of new Set(own)) counts.set(value, (counts.get(value) ?? 0) + 1);
        }
        expect(new Map(values.map(({ value, count }) => [value, count]))).toEqual(counts);
        expect(values.map(({ count }) => count)).toEqual(values.map(({ count }) => count).toSorted((a, b) => b - a));
      }),
      { numRuns: 300 },
    );
  });
});

test("context is what stands around an entry in its own source", () => {
  fc.assert(
    fc.property(pieces, fc.nat(60), fc.nat(5), fc.nat(5), ({ all, reader }, nth, before, after) => {
      const target = all[nth]?.entry;
      const id = target?.id ?? "999";
      const found = result(findContext(reader, id, before, after));
      if (target === undefined) return expect(found).toEqual([]);
      const same = { ...everything, servers: [target.serverId], sources: [target.source] };
      const around = expected(all, same, "oldest");
      const at = around.findIndex((entry) => entry.id === id);
      expect(found).toEqual(around.slice(Math.max(0, at - before), at + after + 1));
    }),
  );
});
