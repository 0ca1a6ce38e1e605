import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { findContext } from "#src/hub/store/clickhouse/search/context.ts";
import { find } from "#src/hub/store/clickhouse/search/find.ts";
import { countOverTime } from "#src/hub/store/clickhouse/search/histogram.ts";
import { type Reading, TimeUp } from "#src/hub/store/clickhouse/search/reading.ts";
import { createSpread } from "#src/hub/store/clickhouse/search/spread.ts";
import { countValues } from "#src/hub/store/clickhouse/search/top.ts";
import type { EntrySearch, Order } from "#src/hub/store/log-port.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { selectorOf } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { haveClickhouse } from "#test/kit/clickhouse.ts";
import { lines, selections } from "../../search/arbitrary.ts";
import { countOverTime as countInPieces } from "#src/hub/store/search/histogram.ts";
import { countValues as countValuesInPieces } from "#src/hub/store/search/top.ts";
import { type Line, createMemoryReader } from "../../search/memory-reader.ts";
import { type Table, openTable } from "./table.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const order = fc.constantFrom<Order>("newest", "oldest");

/** What a search must give: plain filtering. */
function expected(all: readonly Line[], selection: LogSelection, asked: Order): StoredEntry[] {
  const matches = selectorOf(selection);
  const sign = asked === "newest" ? -1 : 1;
  return all
    .filter(({ entry }) => matches(entry))
    .toSorted((a, b) => sign * (a.ms - b.ms || Number(a.entry.id) - Number(b.entry.id)))
    .map(({ entry }) => entry);
}

describe.skipIf(!haveClickhouse)("a search in ClickHouse (needs ClickHouse)", () => {
  let table: Table;
  beforeAll(async () => {
    table = await openTable();
  });
  afterAll(() => table[Symbol.asyncDispose]());

  async function page(search: EntrySearch, mostRows = 7) {
    const entries: StoredEntry[] = [];
    for await (const part of find({ ...table.world, mostRows }, search)) {
      if (part.kind === "hits") entries.push(...part.entries);
      if (part.kind === "end") return { entries, cursor: part.cursor, stoppedEarly: part.stoppedEarly };
    }
    throw new Error("the search did not end");
  }

  test("gives what filtering a plain array gives, page by page, in both directions", async () => {
    const asked = fc.array(fc.tuple(selections, order, fc.integer({ min: 1, max: 30 })), {
      minLength: 8,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(lines, asked, async (all, questions) => {
        await table.empty();
        await table.fill(all);
        for (const [selection, way, limit] of questions) {
          const found: StoredEntry[] = [];
          let cursor: string | null = null;
          do {
            const next = await page({ ...selection, order: way, limit, cursor, budgetMs: null });
            expect(next.entries.length).toBeLessThanOrEqual(limit);
            found.push(...next.entries);
            cursor = next.cursor;
          } while (cursor !== null);
          expect(found).toEqual(expected(all, selection, way));
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  test("counts what the embedded store counts", async () => {
    const paths = ["level", "stream", "server", "source", "status", "tags", "http.status", "message", "container"];
    const asked = fc.tuple(
      selections,
      fc.constantFrom(null, 1000, 60_000, 300_000, 1500.5),
      fc.constantFrom(...paths),
      fc.integer({ min: 1, max: 9 }),
    );
    await fc.assert(
      fc.asyncProperty(lines, fc.array(asked, { minLength: 4, maxLength: 8 }), async (all, questions) => {
        await table.empty();
        await table.fill(all);
        const groups = Map.groupBy(all, ({ entry }) => entry.serverId);
        const reader = createMemoryReader([...groups.values()].map((own) => ({ kind: "hot", lines: own })));
        for (const [selection, stepMs, path, limit] of questions) {
          const histogram = await countOverTime(table.world, selection, stepMs, null);
          const wanted = result(countInPieces(reader, selection, stepMs ?? histogram.stepMs, null));
          const full = ({ buckets }: typeof wanted) => buckets.filter(({ counts }) => Object.keys(counts).length > 0);
          const plain = (one: typeof wanted) => ({
            ...one,
            buckets: full(one),
            stepMs: one.total === 0 ? 0 : one.stepMs,
          });
          expect(plain(histogram)).toEqual(plain(wanted));
          const top = await countValues(table.world, selection, { path, limit, budgetMs: null });
          expect(top).toEqual(result(countValuesInPieces(reader, selection, { path, limit, budgetMs: null })));
        }
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });

  test("finds what stands around an entry in its own source", async () => {
    const asked = fc.array(fc.tuple(fc.nat(60), fc.nat(5), fc.nat(5)), { minLength: 4, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(lines, asked, async (all, questions) => {
        await table.empty();
        await table.fill(all);
        for (const [nth, before, after] of questions) {
          const target = all[nth]?.entry;
          const id = target?.id ?? "999";
          const found = await findContext(table.world, id, before, after);
          const around = all
            .filter(({ entry }) => entry.serverId === target?.serverId && entry.source === target.source)
            .toSorted((a, b) => a.ms - b.ms || Number(a.entry.id) - Number(b.entry.id))
            .map(({ entry }) => entry);
          const at = around.findIndex((entry) => entry.id === id);
          expect(found).toEqual(target === undefined ? [] : around.slice(Math.max(0, at - before), at + after + 1));
        }
        expect(await findContext(table.world, "1'; --", 1, 1)).toEqual([]);
      }),
      { numRuns: 6, endOnFailure: true },
    );
  });

  test("goes on behind a limit of time or memory without a gap, however entries are spread over time", async () => {
    const wanted: Line[] = [];
    await table.empty();
    // days apart from each other and from their arrival, equal times among them
    for (let i = 1; i <= 400; i++) {
      const ms = 1_700_000_000_000 + Math.floor(i / 3) ** 3 * 1000;
      const entry = { id: String(i), seq: i, serverId: `s${i % 5}`, source: "api", at: new Date(ms).toISOString() };
      wanted.push({ ms, entry: { ...entry, stream: "stdout", level: "info", message: `line ${i} größe` } });
    }
    await table.fill(wanted.slice(0, 200), Date.UTC(2024, 0, 5));
    await table.fill(wanted.slice(200), Date.UTC(2024, 3, 7));
    const queries = [
      { kind: "all" },
      { kind: "text", text: "line 3", caseSensitive: false },
      { kind: "regex", source: "3(?= )", flags: "" },
    ] as const;
    let stops = 0;
    for (const query of queries) {
      const selection = { ...everything, query };
      for (const way of ["newest", "oldest"] as const) {
        const found: StoredEntry[] = [];
        let cursor: string | null = null;
        for (let pages = 0; pages < 1000; pages++) {
          let now = 0;
          const search: EntrySearch = { ...selection, order: way, limit: 7, cursor, budgetMs: 12 };
          const own = createSpread({ ...table.world });
          const world = { ...table.world, spread: own, mostRows: 16, maxAnswerBytes: 20_000, monotonic: () => now++ };
          cursor = null;
          for await (const part of find({ ...world, reading: patient(table.world.reading) }, search)) {
            if (part.kind === "hits") found.push(...part.entries);
            if (part.kind !== "end") continue;
            ({ cursor } = part);
            if (part.stoppedEarly !== null) stops++;
          }
          if (cursor === null) break;
        }
        expect(found).toEqual(expected(wanted, selection, way));
      }
    }
    expect(stops).toBeGreaterThan(0);
  });

  test("asks for less when ClickHouse takes too long, until it comes further", async () => {
    await table.empty();
    const wanted = Array.from({ length: 50 }, (_, i): Line => {
      const ms = 1_700_000_000_000 + i * 3_600_000;
      const entry = { id: String(i + 1), seq: i, serverId: "s", source: "api", at: new Date(ms).toISOString() };
      return { ms, entry: { ...entry, stream: "stdout", level: "info", message: "x" } };
    });
    await table.fill(wanted, 1_700_000_000_000 + 50 * 3_600_000);
    const { reading } = table.world;
    let refused = 0;
    // more than ten hours are too much for it
    const slow: Reading = {
      ...patient(reading),
      async *blocks(select, patience) {
        const [, from = "-Infinity"] = /at >= (-?\d+)/.exec(select) ?? [];
        const [, to = "Infinity"] = /at < (-?\d+)\)/.exec(select) ?? [];
        const bounds = [Number(from), Number(to)] as const;
        if (Math.min(bounds[1], 1_700_000_000_000 + 60 * 3_600_000) - bounds[0] > 36_000_000) {
          refused++;
          throw new TimeUp();
        }
        yield* reading.blocks(select, { ...patience, timeoutMs: null });
      },
    };
    const found: StoredEntry[] = [];
    let cursor: string | null = null;
    for (let pages = 0; pages < 200; pages++) {
      const search: EntrySearch = {
        ...everything,
        fromMs: 1_700_000_000_000,
        order: "newest",
        limit: 5,
        cursor,
        budgetMs: 1000,
      };
      cursor = null;
      for await (const part of find({ ...table.world, reading: slow }, search)) {
        if (part.kind === "hits") found.push(...part.entries);
        if (part.kind === "end") ({ cursor } = part);
      }
      if (cursor === null) break;
    }
    expect(found).toEqual(expected(wanted, everything, "newest"));
    expect(refused).toBeGreaterThan(0);
  });

  test("says what is wrong with a cursor", () => {
    expect(page({ ...everything, order: "newest", limit: 1, cursor: "1 OR 1", budgetMs: null })).rejects.toThrow(
      "cursor is not one that this hub gave out",
    );
  });
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

/** The clock of a test runs faster than ClickHouse answers. */
function patient(reading: Reading): Reading {
  return { ...reading, blocks: (select, { signal }) => reading.blocks(select, { timeoutMs: null, signal }) };
}

function result<T>(steps: Generator<unknown, T, void>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
