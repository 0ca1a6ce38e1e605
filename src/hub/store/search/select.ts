/** The lines of an opened piece that a selection asks for. */
import { levels, streams } from "#src/protocol/log.ts";
import { matcherOf } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { Columns } from "../blocks/reader-port.ts";
import type { Order } from "../log-port.ts";
import type { Place } from "./place.ts";
import { type Lines, type Sieve, keep, keepGood, linesBetween, union, without } from "./lines.ts";
import { bySource, sieveOf } from "./scan.ts";

/** The lines of a piece that match and come after a place, in rising order. */
export type Selector = (columns: Columns, after: Place | null) => Lines;

export function createSelector(selection: LogSelection, order: Order): Selector {
  const { fromMs, toMs } = selection;
  const select = createSieve(selection);
  return (columns, after) => {
    let from = fromMs === null ? 0 : firstAt(columns, fromMs, 0);
    let to = toMs === null ? columns.count : firstAt(columns, toMs, 0);
    if (after !== null && order === "newest") to = Math.min(to, firstAt(columns, after.ms, after.position));
    if (after !== null && order === "oldest") from = Math.max(from, firstAt(columns, after.ms, after.position + 1));
    return select(columns, linesBetween(from, to));
  };
}

/** Of lines, those that are selected by anything but their time and server. */
export function createSieve({ sources, level, streams: only, query }: LogSelection): Sieve {
  const sieve = sieveOf(query);
  const matches = matcherOf(query);
  const bad = level === null ? null : levels.map((_, rank) => rank >= levels.indexOf(level));
  const wanted = only === null ? null : streams.map((stream) => only.includes(stream));
  return (columns, all) => {
    let lines = all;
    if (sources !== null) lines = bySource(columns, lines, (source) => sources.includes(source));
    if (bad !== null) lines = keepGood(lines, columns.levels, bad);
    if (wanted !== null) lines = keepGood(lines, columns.streams, wanted);
    const odd = oddLines(columns, lines);
    if (odd.length === 0) return sieve(columns, lines);
    const rest = sieve(columns, without(lines, odd));
    return union(
      rest,
      keep(odd, (line) => matches(columns.entry(line))),
    );
  };
}

/** Lines whose messages are not what their bytes say. */
function oddLines({ odd }: Columns, lines: Lines): Lines {
  if (odd.size === 0) return lines.subarray(0, 0);
  return keep(lines, (line) => odd.get(line)?.message !== undefined);
}

/** The first line that is not before a place. */
export function firstAt({ times, positions, count }: Columns, ms: number, position: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const time = times[middle] ?? 0;
    if (time < ms || (time === ms && (positions[middle] ?? 0) < position)) low = middle + 1;
    else high = middle;
  }
  return low;
}
