/** Counting what is lost, by source, with the time from which to which it was lost. */
import { timestamp } from "#src/lib/clock.ts";
import type { DropCount } from "#src/protocol/event.ts";

/** Times in milliseconds. */
export type Drops = { readonly count: number; readonly from: number; readonly to: number };
export type DropsBySource = Record<string, Drops>;

/** Adds to what is counted of a source. */
export function addDrop(drops: DropsBySource, source: string, more: Drops): void {
  const known = drops[source];
  if (known === undefined) {
    drops[source] = more;
    return;
  }
  const [from, to] = [Math.min(known.from, more.from), Math.max(known.to, more.to)];
  drops[source] = { count: known.count + more.count, from, to };
}

/** Takes back what turned out not to be lost. */
export function subtractDrop(drops: DropsBySource, source: string, count: number): void {
  const known = drops[source];
  if (known === undefined) return;
  if (known.count <= count) delete drops[source];
  else drops[source] = { ...known, count: known.count - count };
}

/** As an event tells it; undefined when nothing was lost. */
export function tellDrops(drops: DropsBySource): { total: number; sources: DropCount[] } | undefined {
  const sources = Object.entries(drops).map(([source, { count, from, to }]) => ({
    source,
    count,
    from: timestamp(from),
    to: timestamp(to),
  }));
  if (sources.length === 0) return undefined;
  return { total: sources.reduce((sum, { count }) => sum + count, 0), sources };
}
