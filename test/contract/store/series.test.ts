/**
 * The same samples, whatever their order, their repeats and their batches, give the same series in every engine: those of
 * a plain computation, and those of the embedded store as finely as it keeps them.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { host, container, script } from "#src/hub/metrics/catalogue.ts";
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { type ClickhouseSeries, openClickhouseSeries } from "#src/hub/store/clickhouse/series.ts";
import type { SeriesStore } from "#src/hub/store/series/port.ts";
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import { systemClock } from "#src/lib/clock.ts";
import { type Series, type SeriesQuery, type Subject, type Tier, keyOf } from "#src/protocol/series.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type Point, day, differences, plainSeries, retention, subject } from "#test/hub/store/series/rig.ts";

setDefaultTimeout(120_000);

type Engine = AsyncDisposable & {
  readonly store: SeriesStore;
  /** Everything that was taken can be read. */
  settle(): Promise<void>;
  /** Averages are made of what is there. */
  rollUp(): Promise<void>;
  /** Leaves the store as a hub that is killed does, and opens another on what it left. */
  kill(): Promise<void>;
};

/** Opens every engine; the first one is embedded. */
async function openEngines(): Promise<{ readonly name: string; readonly engine: Engine }[]> {
  const engines = [{ name: "SQLite", engine: await openEmbedded() }];
  if (haveClickhouse) engines.push({ name: "ClickHouse", engine: await openInClickhouse() });
  return engines;
}

async function openEmbedded(): Promise<Engine> {
  const folder = temporaryFolder();
  const open = () => openSeriesStore(folder.path, { clock: systemClock, retention, warn: fail });
  let store = await open();
  return {
    get store() {
      return store;
    },
    settle: async () => undefined,
    rollUp: async () => undefined,
    async kill() {
      // what a kill may cost is tested elsewhere
      await store.close();
      store = await open();
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function openInClickhouse(): Promise<Engine> {
  const clickhouse = await sharedClickhouse();
  const url = await clickhouse.freshDatabase();
  const folder = temporaryFolder();
  const client = await openClickhouse(url, { clock: systemClock, log: { info: () => undefined }, cluster: null });
  const pace = { settleS: 0, marginS: 0, freshS: 0 };
  const open = () =>
    openClickhouseSeries({ client, dataDir: folder.path, retention, clock: systemClock, warn: fail, pace });
  let store: ClickhouseSeries = await open();
  return {
    get store() {
      return store;
    },
    settle: () => store.flush(),
    async rollUp() {
      await store.flush();
      await store.rollUp();
      await clickhouse.ask("OPTIMIZE TABLE metric_samples", client.database);
    },
    async kill() {
      // two hubs: the other one has a folder of its own, and goes on where this one was
      await store.flush();
      await store.close();
      store = await open();
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await client.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function fail(message: string): void {
  throw new Error(message);
}

// of real time, since servers of ClickHouse let go what is old by their own clock
const start = Math.floor(Date.now() / 1000 / 3600) * 3600 - 3 * day;

const names = fc.constantFrom("a", "b", "c/d", "quote'\\ \u0000 é");
const point = fc.record({
  atS: fc.integer({ min: start, max: start + 2 * day }),
  name: names,
  level: fc.integer({ min: 0, max: 2 ** 21 }),
  total: fc.integer({ min: 0, max: 2 ** 21 }),
});
/** Beats as an agent sends them, with some of them missing. */
const beats = fc
  .record({
    from: fc.integer({ min: start, max: start + day }),
    every: fc.integer({ min: 10, max: 300 }),
    name: names,
    totals: fc.array(fc.option(fc.integer({ min: 0, max: 5000 })), { maxLength: 100 }),
  })
  .map(({ from, every, name, totals }) => {
    let total = 0;
    return totals.flatMap((more, i): Point[] => {
      if (more === null) return [];
      // begins again at 0 now and then
      total = more % 50 === 0 ? 0 : total + more;
      return [{ atS: from + i * every, name, level: more, total }];
    });
  });

type Step = "roll up" | "kill" | "settle" | readonly Point[];
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.oneof(fc.array(point, { maxLength: 20 }), beats) },
    { weight: 2, arbitrary: fc.constant<Step>("roll up") },
    { weight: 1, arbitrary: fc.constant<Step>("settle") },
    { weight: 1, arbitrary: fc.constant<Step>("kill") },
  ),
  { maxLength: 10 },
);

const tiers: readonly Tier[] = [0, 300, 3600];

describe("stores of series", () => {
  let engines: { readonly name: string; readonly engine: Engine }[] = [];
  let runs = 0;

  beforeAll(async () => {
    engines = await openEngines();
  });
  afterAll(async () => {
    for (const { engine } of engines) await engine[Symbol.asyncDispose]();
  });

  test("there is every engine that can be here", () => {
    if (!haveClickhouse) console.warn("skipped for want of the package chdb: series in ClickHouse");
    expect(engines.map(({ name }) => name)).toEqual(haveClickhouse ? ["SQLite", "ClickHouse"] : ["SQLite"]);
  });

  test("answer as a plain computation does, after each of any steps", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), async (all, repeats) => {
        const origin = `web-${runs++}`;
        for (const { name, engine } of engines) {
          const kept: Point[] = [];
          for (const step of all) {
            if (step === "roll up") await engine.rollUp();
            else if (step === "kill") await engine.kill();
            else if (step === "settle") await engine.settle();
            else {
              for (const one of repeats ? [...step, ...kept.slice(0, 20)] : step) {
                const values = [one.level, one.total];
                expect(engine.store.append(origin, one.atS * 1000, [subject(one.name)], values)).toBe(true);
                kept.push(one);
              }
            }
          }
          await engine.settle();
          for (const tier of tiers) {
            for (const [fromS, toS] of [
              [start - day, start + 3 * day],
              [start + 3456, start + day + 78],
            ] as const) {
              const query = { tier, fromS, toS };
              const found = await engine.store.read(origin, query);
              expect({ name, tier, wrong: differences(found, plainSeries(kept, query)) }).toEqual({
                name,
                tier,
                wrong: [],
              });
            }
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  test("keep numbers as finely as the embedded one, of everything that servers measure", async () => {
    const [embedded, ...others] = engines.map(({ engine }) => engine);
    if (embedded === undefined) throw new Error("there is no embedded engine");
    const subjects: Subject[] = [
      { template: host, name: "" },
      { template: script, name: "api" },
      { template: container, name: "db" },
    ];
    const metrics = subjects.flatMap((one) =>
      one.template.metrics.map((metric) => ({ metric, key: keyOf(one, metric) })),
    );
    const number = fc.oneof(
      fc.double({ min: 0, max: 100, noNaN: true }),
      fc.double({ min: 0, max: 1e13, noNaN: true }),
      fc.integer({ min: -5, max: 5 }),
      fc.constantFrom(Number.NaN, Infinity, -0, 0.1, 2 ** 53),
    );
    // a counter that falls by less than the embedded engine tells apart has begun anew for one of them only
    const row = fc
      .array(number, { minLength: metrics.length, maxLength: metrics.length })
      .map((values) => values.map((value, i) => (metrics[i]?.metric.counter ? Number(value.toPrecision(3)) : value)));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 40 }), fc.integer({ min: 1, max: 400 }), async (rows, every) => {
        const origin = `fine-${runs++}`;
        for (const { engine } of engines) {
          for (const [i, values] of rows.entries()) {
            engine.store.append(origin, (start + i * every) * 1000, subjects, values);
          }
          await engine.settle();
        }
        for (const tier of tiers) {
          const query = { tier, fromS: start, toS: start + day };
          const wanted = await embedded.store.read(origin, query);
          for (const { store } of others) {
            const found = await store.read(origin, query);
            expect(unlike(found, wanted)).toEqual([]);
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    );

    /** What is further apart than each of the two may be from the truth. */
    function unlike(found: readonly Series[], wanted: readonly Series[]): string[] {
      const shape = (list: readonly Series[]) => list.map(({ key, times, count }) => ({ key, times, count }));
      expect(shape(found)).toEqual(shape(wanted));
      return wanted.flatMap((series, i) => {
        const { scale, counter } = metrics.find(({ key }) => key === series.key)?.metric ?? {};
        const { unit, bits } = scale ?? { unit: 0, bits: 50 };
        return (["mean", "min", "max"] as const).flatMap((list) =>
          series[list].flatMap((value, k) => {
            const other = found[i]?.[list][k] ?? Number.NaN;
            // of a counter, what one step leaves out the next has more
            const steps = counter === true ? [k - 1, k, k + 1].map((step) => series.max[step] ?? 0) : [];
            const size = Math.max(Math.abs(value), Math.abs(other), ...steps);
            const off = (counter === true ? 4 : 1) * Math.max(unit, size / 2 ** bits);
            return Math.abs(value - other) <= off * (1 + 1e-9) ? [] : [`${series.key} ${list}: ${other}, not ${value}`];
          }),
        );
      });
    }
  });

  test("tell of several origins at once, and of wanted series only", async () => {
    const [one, other] = [`many-${runs++}`, `many-${runs++}`];
    const query: SeriesQuery = { tier: 0, fromS: start, toS: start + day };
    for (const { name, engine } of engines) {
      const { store } = engine;
      for (const [i, origin] of [one, other].entries()) {
        store.append(origin, start * 1000, [subject("x"), subject("y")], [i, i, i + 10, i]);
      }
      await engine.settle();
      const keys = async (origins: readonly string[], more: Partial<SeriesQuery> = {}) => {
        const found = await store.readMany(origins, { ...query, ...more });
        return Object.fromEntries([...found].map(([origin, all]) => [origin, all.map(({ key, mean }) => [key, mean])]));
      };
      const all = { [one]: [["thing.level/x", [0]], ["thing.level/y", [10]]], [other]: [["thing.level/x", [1]], ["thing.level/y", [11]]] }; // prettier-ignore
      expect({ name, found: await keys([one, other, "nobody"]) }).toEqual({ name, found: all });
      const wants = (key: string) => key.endsWith("/y");
      expect(await keys([other], { wants })).toEqual({ [other]: [["thing.level/y", [11]]] });
      expect(await keys([other], { wants, prefixes: ["thing.level", "app."] })).toEqual({ [other]: [["thing.level/y", [11]]] }); // prettier-ignore
      const odd = "quote'\\ \u0000 é";
      store.append(other, (start + 10) * 1000, [subject(odd)], [5, 5]);
      await engine.settle();
      const prefix = `thing.level/${odd}`;
      expect(await keys([other], { prefixes: [prefix], wants: (key) => key === prefix })).toEqual({
        [other]: [[prefix, [5]]],
      });
      expect(await store.read("nobody", query)).toEqual([]);
      expect(await store.read("no'body\\", query)).toEqual([]);
      expect(await store.read(one, { ...query, toS: start })).toEqual([]);
    }
  });

  test("refuse what is too old or ahead of time, and forget an origin that is gone", async () => {
    const origin = `gone-${runs++}`;
    const now = Math.floor(Date.now() / 1000);
    for (const { engine } of engines) {
      const { store } = engine;
      const before = store.figures();
      for (const atS of [now - 8 * day, now + 2 * day, Number.NaN]) {
        expect(store.append(origin, atS * 1000, [subject("a")], [1, 1])).toBe(false);
      }
      expect(store.append(origin, now * 1000, [subject("a")], [1, 1])).toBe(true);
      const after = store.figures();
      expect([after.samples - before.samples, after.refused - before.refused]).toEqual([1, 3]);
      await engine.settle();
      const query = { tier: 0, fromS: now - 60, toS: now + 60 } as const;
      expect(await store.read(origin, query)).toHaveLength(1);
      store.drop(origin);
      expect(await store.read(origin, query)).toEqual([]);
      expect(await store.readMany([origin], query)).toEqual(new Map());
    }
  });
});
