/** Series in memory: points as they came, and what is made of them. */
import type { Scale } from "#src/protocol/series.ts";

/** A series as it came, by time; of a counter, what it stood at. */
export type Column = {
  readonly key: string;
  readonly counter: boolean;
  readonly scale: Scale;
  /** seconds since the epoch, each once, growing */
  readonly times: number[];
  readonly values: number[];
};

/** A series in stretches of a tier. `values` are means; of a counter, of its rate. */
export type Rolled = {
  readonly key: string;
  readonly scale: Scale;
  readonly times: number[];
  readonly values: number[];
  readonly min: number[];
  readonly max: number[];
  /** points behind each */
  readonly count: number[];
};

function isGrowing(times: readonly number[]): boolean {
  for (let i = 1; i < times.length; i++) if ((times[i] ?? 0) <= (times[i - 1] ?? 0)) return false;
  return true;
}

/** Indexes of `times` by time; those of equal times in the order of the list. */
function orderOf(times: readonly number[]): number[] {
  return times.map((_, i) => i).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
}

function append<T>(to: T[], from: readonly T[]): void {
  for (const item of from) to.push(item);
}

/** Parts of the same series, put together. Of two points of the same second, the larger number stays. */
export function mergeColumns(parts: Iterable<readonly Column[]>): Map<string, Column> {
  const merged = new Map<string, Column>();
  for (const columns of parts)
    for (const column of columns) {
      const known = merged.get(column.key);
      if (known === undefined)
        merged.set(column.key, { ...column, times: [...column.times], values: [...column.values] });
      else {
        append(known.times, column.times);
        append(known.values, column.values);
      }
    }
  for (const column of merged.values()) settleColumn(column);
  return merged;
}

/** A column as it came is put in order where it stands; most are already. */
export function settleColumn(column: Column): Column {
  if (!isGrowing(column.times)) sortColumn(column);
  return column;
}

function sortColumn({ times, values }: Column): void {
  const order = orderOf(times);
  const sorted = order.map((i) => [times[i] ?? 0, values[i] ?? 0] as const);
  times.length = values.length = 0;
  for (const [time, value] of sorted) {
    const last = times.length - 1;
    if (times[last] === time) values[last] = Math.max(values[last] ?? value, value);
    else {
      times.push(time);
      values.push(value);
    }
  }
}

/** Parts of the same series, put together. A stretch that is in several is taken from the last. */
export function mergeRolled(parts: Iterable<readonly Rolled[]>): Map<string, Rolled> {
  const merged = new Map<string, Rolled>();
  for (const rolled of parts)
    for (const part of rolled) {
      const known = merged.get(part.key);
      if (known === undefined) merged.set(part.key, copyRolled(part));
      else for (const name of lists) append(known[name], part[name]);
    }
  for (const [key, rolled] of merged) if (!isGrowing(rolled.times)) merged.set(key, sortRolled(rolled));
  return merged;
}

const lists = ["times", "values", "min", "max", "count"] as const;

function copyRolled(rolled: Rolled): Rolled {
  const { times, values, min, max, count } = rolled;
  return { ...rolled, times: [...times], values: [...values], min: [...min], max: [...max], count: [...count] };
}

function sortRolled(rolled: Rolled): Rolled {
  // the last of equal times stands last, and so wins
  const order = orderOf(rolled.times).filter((at, i, all) => rolled.times[all[i + 1] ?? -1] !== rolled.times[at]);
  return pickRolled(rolled, order);
}

/** A series with only these of its points. */
export function pickRolled(rolled: Rolled, order: readonly number[]): Rolled {
  const pick = (list: readonly number[]) => order.map((i) => list[i] ?? 0);
  const { times, values, min, max, count } = rolled;
  return {
    ...rolled,
    times: pick(times),
    values: pick(values),
    min: pick(min),
    max: pick(max),
    count: pick(count),
  };
}
