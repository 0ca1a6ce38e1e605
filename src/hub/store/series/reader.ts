/** Series out of blocks and of what is in none yet. */
import type { Blocks } from "./blocks.ts";
import { startOf } from "./blocks.ts";
import { type Column, type Rolled, mergeColumns, mergeRolled, pickRolled } from "./column.ts";
import type { Lanes } from "./lanes.ts";
import type { Series, SeriesQuery, Tier } from "#src/protocol/series.ts";
import { longestGapS, pointsOf, rollUp } from "./rollup.ts";
import type { Statements } from "./statements.ts";
import { work } from "./upkeep.ts";

const hourS = 3600;
const all = () => true;

export function createReader(statements: Statements, blocks: Blocks, lanes: Lanes) {
  /** Points of a stretch, and those before it that a rate needs. */
  function columns(origin: number, fromS: number, toS: number, wants: (key: string) => boolean): Column[] {
    const parts = blocks.columns(origin, fromS, toS, wants);
    for (const segment of lanes.get(origin)?.segments ?? []) {
      if (segment.count === 0 || segment.lastS < fromS - longestGapS || segment.firstS >= toS) continue;
      parts.push(segment.columns().filter(({ key }) => wants(key)));
    }
    return [...mergeColumns(parts).values()];
  }

  /** Hours that overlap the stretch and are not, or no longer, as the blocks of the tiers have them. */
  function openHours(origin: number, fromS: number, toS: number): number[] {
    const first = startOf(fromS, hourS);
    const hours = new Set(statements.dueOf.all(origin, work.rollHour, first, toS).map(({ start_s }) => start_s));
    for (const { count, firstS, lastS } of lanes.get(origin)?.segments ?? []) {
      if (count === 0) continue;
      // the hour after the last point, too: a rate of it may begin there
      const end = Math.min(lastS + hourS, toS - 1);
      for (let hour = startOf(Math.max(firstS, first), hourS); hour <= end; hour += hourS) hours.add(hour);
    }
    return [...hours].sort((a, b) => a - b);
  }

  function rolled(origin: number, tier: Exclude<Tier, 0>, { fromS, toS, wants = all }: SeriesQuery): Rolled[] {
    const parts = blocks.rolled(origin, tier, fromS, toS, wants);
    const hours = openHours(origin, fromS, toS);
    while (hours.length > 0) {
      // neighbours are read together
      const from = hours.shift() ?? 0;
      let to = from + hourS;
      for (; hours[0] === to; to += hourS) hours.shift();
      const [start, end] = [from, to];
      parts.push(columns(origin, start, end, wants).map((column) => rollUp(column, tier, start, end)));
    }
    return [...mergeRolled(parts).values()];
  }

  return function read(origin: number, query: SeriesQuery): Series[] {
    const { tier, fromS, toS, wants = all } = query;
    const found = tier === 0 ? columns(origin, fromS, toS, wants).map(asRolled) : rolled(origin, tier, query);
    return found
      .map((series) => cut(series, fromS, toS))
      .filter(({ times }) => times.length > 0)
      .map(({ key, times, values, min, max, count }) => ({ key, times, mean: values, min, max, count }))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  };
}

function asRolled(column: Column): Rolled {
  const { times, values } = pointsOf(column);
  const { key, scale } = column;
  return { key, scale, times, values, min: values, max: values, count: times.map(() => 1) };
}

function cut(series: Rolled, fromS: number, toS: number): Rolled {
  const order: number[] = [];
  for (let i = 0; i < series.times.length; i++) {
    const time = series.times[i] ?? 0;
    if (time >= fromS && time < toS) order.push(i);
  }
  return order.length === series.times.length ? series : pickRolled(series, order);
}
