/** Rates out of counters, and stretches out of points. Pure: what is rolled up again after a late point comes out right. */
import type { Column, Rolled } from "./column.ts";

/** Beyond this, two points of a counter are not joined: twice the longest interval of heartbeats, and some lateness. */
export const longestGapS = 660;

/**
 * What a column says at each of its times: its values, or the rate a second since the point before. A counter that is
 * smaller than before began again at 0 meanwhile. A point that has none before it, or one too long ago, gives no rate.
 */
export function pointsOf({ counter, times, values }: Column): { readonly times: number[]; readonly values: number[] } {
  if (!counter) return { times, values };
  const out: { times: number[]; values: number[] } = { times: [], values: [] };
  for (let i = 1; i < times.length; i++) {
    const seconds = (times[i] ?? 0) - (times[i - 1] ?? 0);
    if (seconds > longestGapS) continue;
    const [before, after] = [values[i - 1] ?? 0, values[i] ?? 0];
    out.times.push(times[i] ?? 0);
    out.values.push((after < before ? after : after - before) / seconds);
  }
  return out;
}

/** The stretches of `tierS` seconds of a column that begin at `fromS` or later and before `toS`. */
export function rollUp(column: Column, tierS: number, fromS: number, toS: number): Rolled {
  const { times, values } = pointsOf(column);
  const rolled: Rolled = {
    key: column.key,
    scale: column.scale,
    times: [],
    values: [],
    min: [],
    max: [],
    count: [],
  };
  let sum = 0;
  for (let i = 0; i < times.length; i++) {
    const start = Math.floor((times[i] ?? 0) / tierS) * tierS;
    if (start < fromS || start >= toS) continue;
    const value = values[i] ?? 0;
    const last = rolled.times.length - 1;
    if (rolled.times[last] !== start) {
      sum = value;
      rolled.times.push(start);
      rolled.values.push(value);
      rolled.min.push(value);
      rolled.max.push(value);
      rolled.count.push(1);
      continue;
    }
    const count = (rolled.count[last] ?? 0) + 1;
    sum += value;
    rolled.count[last] = count;
    rolled.values[last] = sum / count;
    rolled.min[last] = Math.min(rolled.min[last] ?? value, value);
    rolled.max[last] = Math.max(rolled.max[last] ?? value, value);
  }
  return rolled;
}
