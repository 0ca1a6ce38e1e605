/** Entries that were found and wait until nothing unopened can come before them: the first ones in order, within bounds. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Columns } from "../blocks/reader-port.ts";
import type { Order } from "../log-port.ts";
import { type Place, byOrder } from "./place.ts";
import type { Lines } from "./lines.ts";

/** Bytes of messages and fields, roughly, that wait at most. */
const maxBytes = 64 * 1024 * 1024;
/** What an entry takes beside its message. */
const bytesOfEntry = 400;

type Hit = Place & { readonly entry: StoredEntry; readonly bytes: number };

export type Waiting = {
  /** Takes the lines of a piece, as far as there is room. */
  add(columns: Columns, lines: Lines, room: number): void;
  /** Those before a time: all of them, in order, and where the last one is. */
  before(boundMs: number): { readonly entries: StoredEntry[]; readonly bytes: number; readonly last: Place | null };
  /** Some were left out for want of room; they are behind all that were kept. */
  cut(): boolean;
  /** Nothing behind this place was kept, for want of memory. */
  horizon(): Place | null;
  clear(): void;
};

export function createWaiting(order: Order, most = maxBytes): Waiting {
  const compare = byOrder(order);
  let hits: Hit[] = [];
  let bytes = 0;
  let cut = false;
  let horizon: Place | null = null;

  function keepOnly(count: number): void {
    for (const gone of hits.splice(count)) bytes -= gone.bytes;
  }

  return {
    add(columns, lines, room) {
      const last = hits.length >= room ? hits.at(-1) : undefined;
      if (lines.length === 0) return;
      const count = Math.min(lines.length, room);
      const { times, positions, offsets } = columns;
      if (count < lines.length) cut = true;
      for (let i = 0; i < count; i++) {
        const line = lines[order === "newest" ? lines.length - 1 - i : i] ?? 0;
        const place = { ms: times[line] ?? 0, position: positions[line] ?? 0 };
        if (horizon !== null && compare(place, horizon) > 0) break;
        if (last !== undefined && compare(place, last) > 0) {
          cut = true;
          break;
        }
        const size = bytesOfEntry + (offsets[line + 1] ?? 0) - (offsets[line] ?? 0);
        hits.push({ ...place, entry: columns.entry(line), bytes: size });
        bytes += size;
        if (bytes > most && i + 1 < lines.length) {
          horizon = place;
          break;
        }
      }
      hits.sort(compare);
      if (hits.length > room) {
        cut = true;
        keepOnly(room);
      }
      const end = horizon;
      if (end !== null) keepOnly(hits.filter((hit) => compare(hit, end) <= 0).length);
    },
    before(boundMs) {
      let count = 0;
      while (count < hits.length) {
        const ms = hits[count]?.ms ?? 0;
        if (order === "newest" ? ms <= boundMs : ms >= boundMs) break;
        count++;
      }
      const ready = hits.slice(0, count);
      hits = hits.slice(count);
      const size = ready.reduce((sum, hit) => sum + hit.bytes, 0);
      bytes -= size;
      const last = ready.at(-1);
      return {
        entries: ready.map(({ entry }) => entry),
        bytes: size,
        last: last === undefined ? null : { ms: last.ms, position: last.position },
      };
    },
    cut: () => cut,
    horizon: () => horizon,
    clear() {
      hits = [];
      bytes = 0;
      cut = false;
      horizon = null;
    },
  };
}
