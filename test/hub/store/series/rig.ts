/** A store of metrics in a folder of its own, and a plain computation of what it should answer. */
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import type { SeriesStore } from "#src/hub/store/series/port.ts";
import {
  type Series,
  type SeriesQuery,
  type SeriesRetention,
  type Subject,
  type Template,
  type Tier,
  keyOf,
} from "#src/protocol/series.ts";
import { type TestClock, createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

export const day = 86_400;
export const start = Date.parse("2026-03-10T00:00:00.000Z") / 1000;
export const retention: SeriesRetention = { raw: 7 * day, minutes: 90 * day, hours: 400 * day };

/** Kept exactly up to 2^21, so that what comes back can be compared. */
const exact = { unit: 1, bits: 20 };

/** A thing with a number that goes up and down, and one that only grows. */
export const thing: Template = {
  name: "thing",
  metrics: [
    { name: "level", counter: false, scale: exact },
    { name: "total", counter: true, scale: exact },
  ],
};
export const subject = (name: string, template: Template = thing): Subject => ({ template, name });

export type TestSeries = AsyncDisposable & {
  readonly folder: Folder;
  readonly clock: TestClock;
  readonly said: readonly string[];
  /** the store that is open now */
  readonly store: SeriesStore;
  /** Lets the store be and opens another on what is on disk, as after a kill. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** The wall clock goes on by so many days at once, and then by two hours. */
  leap(days: number): void;
};

export async function openTestSeries(options: { retention?: SeriesRetention } = {}): Promise<TestSeries> {
  const folder = temporaryFolder();
  const clock = createTestClock(start * 1000);
  const said: string[] = [];
  let leapt = 0;
  // timers of a store that was killed don't run any more
  let generation = 0;
  const open = () => {
    const own = ++generation;
    return openSeriesStore(folder.path, {
      clock: {
        ...clock,
        now: () => clock.now() + leapt,
        after: (ms, run) => clock.after(ms, () => own === generation && run()),
      },
      retention: options.retention ?? retention,
      warn: (message) => void said.push(message),
    });
  };
  let store = await open();
  return {
    folder,
    clock,
    said,
    get store() {
      return store;
    },
    async kill() {
      store = await open();
    },
    leap(days) {
      leapt += days * day * 1000;
      clock.advance(2 * 3600 * 1000);
    },
    async restart() {
      await store.close();
      store = await open();
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export type Point = { readonly atS: number; readonly name: string; readonly level: number; readonly total: number };

/** What the store should read, by definition: points by time, larger numbers of equal times, rates of neighbours. */
export function plainSeries(points: readonly Point[], { tier, fromS, toS }: SeriesQuery): Series[] {
  const names = [...new Set(points.map(({ name }) => name))];
  return names
    .flatMap((name) => {
      const own = points.filter((point) => point.name === name);
      return thing.metrics.map((metric) => {
        const field = metric.name === "level" ? "level" : "total";
        const byTime = new Map<number, number>();
        for (const point of own) byTime.set(point.atS, Math.max(byTime.get(point.atS) ?? 0, point[field]));
        const all = [...byTime].sort(([a], [b]) => a - b);
        const values = metric.counter ? ratesOf(all) : all;
        return { key: keyOf(subject(name), metric), ...stretches(values, tier, fromS, toS) };
      });
    })
    .filter(({ times }) => times.length > 0)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

type Pair = readonly [atS: number, value: number];

function ratesOf(all: readonly Pair[]): Pair[] {
  return all.flatMap(([at, value], i): Pair[] => {
    const before = all[i - 1];
    if (before === undefined || at - before[0] > 660) return [];
    return [[at, (value < before[1] ? value : value - before[1]) / (at - before[0])]];
  });
}

function stretches(all: readonly Pair[], tier: Tier, fromS: number, toS: number): Omit<Series, "key"> {
  const groups = Map.groupBy(all, ([at]) => (tier === 0 ? at : Math.floor(at / tier) * tier));
  const inside = [...groups].filter(([at]) => at >= fromS && at < toS);
  const numbers = inside.map(([, group]) => group.map(([, value]) => value));
  return {
    times: inside.map(([at]) => at),
    mean: numbers.map((group) => group.reduce((sum, value) => sum + value, 0) / group.length),
    min: numbers.map((group) => Math.min(...group)),
    max: numbers.map((group) => Math.max(...group)),
    count: numbers.map((group) => group.length),
  };
}

/** Series with numbers to the next whole one, which is how finely the averages of `thing` are kept. */
export function differences(found: readonly Series[], wanted: readonly Series[]): string[] {
  const wrong: string[] = [];
  const keys = (list: readonly Series[]) => list.map(({ key }) => key).join();
  if (keys(found) !== keys(wanted)) return [`series ${keys(found)} instead of ${keys(wanted)}`];
  for (const [i, series] of wanted.entries()) {
    const other = found[i];
    if (other === undefined) continue;
    for (const list of ["times", "count"] as const) {
      if (other[list].join() !== series[list].join())
        wrong.push(`${series.key} ${list}: ${other[list].join()} instead of ${series[list].join()}`);
    }
    for (const list of ["mean", "min", "max"] as const) {
      const off = series[list].findIndex((value, k) => Math.abs(value - (other[list][k] ?? Number.NaN)) > 0.5001);
      if (off !== -1) wrong.push(`${series.key} ${list} ${off}: ${other[list][off]} instead of ${series[list][off]}`);
    }
  }
  return wrong;
}
