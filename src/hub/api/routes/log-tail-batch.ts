/**
 * Entries that came together. What a filter lets through is found once for all tails that have the filter, and written once
 * as the events that they are sent as: two hundred pages that show the same lines cost little more than one.
 */
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { Arrivals } from "../search-ports.ts";
import { sseEvent } from "../sse.ts";

/** Bytes after which a piece of events ends: what a reader is given at once. */
export const pieceBytes = 64 * 1024;

/** What a tail lets through; equal selections have one. */
export type Filter = {
  /** Indexes of the entries, rising. */
  readonly select: (arrived: Arrived) => Uint32Array;
  readonly textOf: (arrived: Arrived, index: number) => string;
};

/** Events, and what they are of: the entries with positions after `after` up to `to` that the filter lets through. */
export type Piece = { readonly bytes: Uint8Array; readonly after: number; readonly to: number };

type Found = { readonly lines: Uint32Array; readonly pieces: Piece[]; /** index in lines */ written: number };

export type Batch = {
  readonly arrived: Arrived;
  /** position of its last entry */
  readonly last: number;
  /** Whether a filter lets through entries after a position. */
  holds(filter: Filter, position: number): boolean;
  /** The next events after a position; null: no more are in this batch. */
  pieceAfter(filter: Filter, position: number): Piece | null;
};

export function createBatch(arrived: Arrived): Batch {
  const { firstPosition, columns } = arrived;
  const last = firstPosition + columns.count - 1;
  const found = new Map<Filter, Found>();
  const events = new Map<number, string>();

  function look(filter: Filter): Found {
    let known = found.get(filter);
    if (known === undefined) found.set(filter, (known = { lines: filter.select(arrived), pieces: [], written: 0 }));
    return known;
  }

  /** An entry as an event; kept where there are several filters that may want it. */
  function eventOf(filter: Filter, index: number): string {
    const known = events.get(index);
    if (known !== undefined) return known;
    const event = sseEvent("log", filter.textOf(arrived, index), String(firstPosition + index));
    if (found.size > 1) events.set(index, event);
    return event;
  }

  /** Writes the entries of `lines` from an index on, until there is enough. */
  function write(filter: Filter, lines: Uint32Array, from: number): Piece & { readonly next: number } {
    let text = "";
    let next = from;
    for (; next < lines.length && text.length < pieceBytes; next++) {
      text += eventOf(filter, lines[next] ?? 0);
    }
    const after = from === 0 ? firstPosition - 1 : firstPosition + (lines[from - 1] ?? 0);
    const to = next === lines.length ? last : firstPosition + (lines[next - 1] ?? 0);
    return { bytes: Buffer.from(text), after, to, next };
  }

  return {
    arrived,
    last,
    holds(filter, position) {
      const index = look(filter).lines.at(-1);
      return index !== undefined && firstPosition + index > position;
    },
    pieceAfter(filter, position) {
      const known = look(filter);
      for (const piece of known.pieces) {
        if (piece.to <= position) continue;
        if (piece.after >= position) return piece;
        // a reader that comes back in the middle of a piece has one of its own
        return write(filter, known.lines, firstAfter(known.lines, position - firstPosition));
      }
      while (known.written < known.lines.length) {
        const { next, ...piece } = write(filter, known.lines, known.written);
        known.written = next;
        known.pieces.push(piece);
        if (piece.after >= position) return piece;
        if (piece.to > position) return write(filter, known.lines, firstAfter(known.lines, position - firstPosition));
      }
      return null;
    },
  };
}

function firstAfter(lines: Uint32Array, index: number): number {
  const found = lines.findIndex((line) => line > index);
  return found < 0 ? lines.length : found;
}

/** Filters in use, by what they select. */
export type Filters = {
  /** `done` is called once, when the filter is not used any more. */
  use(selection: LogSelection): { readonly filter: Filter; readonly done: () => void };
};

export function createFilters(logs: Pick<Arrivals, "arrivalTest" | "arrivedText">): Filters {
  const used = new Map<string, { readonly filter: Filter; users: number }>();
  return {
    use(selection) {
      // whose entries a reader may see is checked apart: it changes while he reads
      const own = { ...selection, scope: null };
      const key = JSON.stringify(own);
      let known = used.get(key);
      if (known === undefined)
        used.set(key, (known = { filter: { select: logs.arrivalTest(own), textOf: logs.arrivedText }, users: 0 }));
      known.users++;
      const { filter } = known;
      return {
        filter,
        done() {
          if (--known.users === 0) used.delete(key);
        },
      };
    },
  };
}
