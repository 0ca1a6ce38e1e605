/** How many lines of each level there were over time, kept current by counting those that come. Pure. */
import { type Level, levels } from "#src/protocol/level.ts";
import type { HistogramAnswer } from "#src/protocol/query-answers.ts";

export type Counts = Readonly<Partial<Record<Level, number>>>;

export type Bars = {
  readonly stepMs: number;
  /** by the beginning of each step, in milliseconds; steps without lines are left out */
  readonly steps: ReadonlyMap<number, Counts>;
  /** it took too long to count all */
  readonly partial: boolean;
};

export function barsOf({ step, buckets, partial }: HistogramAnswer): Bars {
  const steps = new Map<number, Counts>();
  for (const { at, counts } of buckets) if (sumOf(counts) > 0) steps.set(Date.parse(at), counts);
  return { stepMs: step * 1000, steps, partial };
}

export const sumOf = (counts: Counts): number => levels.reduce((sum, level) => sum + (counts[level] ?? 0), 0);

/** With lines that came just now, and without those from before `fromMs`. */
export function withArrived(
  bars: Bars,
  arrived: ReadonlyMap<string, number>,
  nowMs: number,
  fromMs: number | null,
): Bars {
  const { stepMs } = bars;
  const steps = new Map(bars.steps);
  const at = Math.floor(nowMs / stepMs) * stepMs;
  const counts: Partial<Record<Level, number>> = { ...steps.get(at) };
  for (const level of levels) {
    const more = arrived.get(level);
    if (more !== undefined) counts[level] = (counts[level] ?? 0) + more;
  }
  if (sumOf(counts) > 0) steps.set(at, counts);
  if (fromMs !== null) for (const begin of steps.keys()) if (begin + stepMs <= fromMs) steps.delete(begin);
  return { ...bars, steps };
}

/** Where lines lie among all, by the counts: what makes a scroll bar honest. */
export type Census = {
  readonly total: number;
  /** lines before a time */
  before(ms: number): number;
  /** the time of the nth line */
  timeOf(index: number): number;
};

export function censusOf({ stepMs, steps }: Bars): Census {
  const begins = Float64Array.from([...steps.keys()].sort((a, b) => a - b));
  const sums = new Float64Array(begins.length + 1);
  begins.forEach((begin, i) => (sums[i + 1] = (sums[i] ?? 0) + sumOf(steps.get(begin) ?? {})));
  const total = sums[begins.length] ?? 0;
  return {
    total,
    before(ms) {
      const i = lastUpTo(begins, ms);
      if (i < 0) return 0;
      const share = Math.min(1, (ms - (begins[i] ?? 0)) / stepMs);
      return (sums[i] ?? 0) + share * ((sums[i + 1] ?? 0) - (sums[i] ?? 0));
    },
    timeOf(index) {
      const i = Math.min(begins.length - 1, Math.max(0, lastUpTo(sums, index)));
      const lines = (sums[i + 1] ?? 0) - (sums[i] ?? 0);
      const share = lines === 0 ? 0 : Math.min(1, Math.max(0, index - (sums[i] ?? 0)) / lines);
      return Math.floor((begins[i] ?? 0) + share * stepMs);
    },
  };
}

/** Index of the last that is not above a number; -1: all are. */
function lastUpTo(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The columns of a picture `fromMs` to `toMs`, each as high as its share of the highest: one path a level, worst at the bottom. */
export function pathsOf(
  { stepMs, steps }: Bars,
  fromMs: number,
  toMs: number,
): { readonly most: number; readonly paths: readonly (readonly [level: Level, path: string])[] } {
  const shown = [...steps].filter(([begin]) => begin + stepMs > fromMs && begin < toMs);
  const most = shown.reduce((largest, [, counts]) => Math.max(largest, sumOf(counts)), 0);
  const paths = new Map<Level, string>();
  const width = (stepMs / (toMs - fromMs)) * 1000;
  for (const [begin, counts] of shown) {
    const x = ((begin - fromMs) / (toMs - fromMs)) * 1000;
    let y = 100;
    for (const level of levels.toReversed()) {
      const count = counts[level] ?? 0;
      if (count === 0) continue;
      // a single error among a million lines is what people look for
      const height = Math.max((count / most) * 100, 2);
      const top = Math.max(0, y - height);
      paths.set(
        level,
        `${paths.get(level) ?? ""}M${x.toFixed(2)} ${y.toFixed(2)}V${top.toFixed(2)}h${(width * 0.86).toFixed(2)}V${y.toFixed(2)}Z`,
      );
      y = top;
    }
  }
  return { most, paths: [...paths] };
}
