/**
 * A search, as a sequence of steps that whoever drives it may pause between. Pieces overlap in time; an entry is given
 * once nothing that is left unopened can come before it.
 */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { BlockReader, PieceLimits } from "../blocks/reader-port.ts";
import type { EntrySearch, Order, SearchPart } from "../log-port.ts";
import { readSound } from "./damage.ts";
import { type Place, byOrder, lastPosition, readCursor, writeCursor } from "./place.ts";
import { pieceTestOf } from "./rule.ts";
import { createSelector } from "./select.ts";
import { createWaiting } from "./waiting.ts";

/** Bytes of one answer, roughly; a longer one goes on with its cursor. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** How long one view of the store is kept: meanwhile its log can't be emptied. Milliseconds. */
const snapshotMs = 500;
/** The first blocks that a search opens are kept at hand: with the next letter somebody asks for them again. */
const firstOpened = 10;
/** Between two notes of how far it is, in milliseconds. */
const progressEveryMs = 100;

/** What tests turn: the clock, and bounds in milliseconds and bytes. */
export type FindWorld = {
  readonly now?: () => number;
  readonly snapshotMs?: number;
  readonly waitingBytes?: number;
};

/** Steps without a part are there for a pause. Throws a Fault `invalid` for a cursor that is none. */
export function* find(
  reader: BlockReader,
  search: EntrySearch,
  world: FindWorld = {},
): Generator<SearchPart | undefined, void, void> {
  const { order, limit, budgetMs } = search;
  const now = world.now ?? (() => performance.now());
  const endsAt = budgetMs === null ? Infinity : now() + budgetMs;
  const compare = byOrder(order);
  const mayMatch = pieceTestOf(search.query);
  const select = createSelector(search, order);
  const waiting = createWaiting(order, world.waitingBytes);
  let after: Place | null = search.cursor === null ? null : readCursor(search.cursor);
  let [given, givenBytes] = [0, 0];
  let [lines, bytes, blocks, opened, damaged] = [0, 0, 0, 0, 0];
  let progressAt = now() + progressEveryMs;

  /** Takes those that nothing unopened can come before. */
  function certain(boundMs: number): readonly StoredEntry[] {
    const ready = waiting.before(boundMs);
    after = ready.last ?? after;
    given += ready.entries.length;
    givenBytes += ready.bytes;
    return ready.entries;
  }

  const end = (cursor: Place | null, stoppedEarly: "time" | "memory" | null): SearchPart => ({
    kind: "end",
    cursor: cursor === null ? null : writeCursor(cursor),
    stoppedEarly,
    lines,
    blocks,
    opened,
    damaged,
  });

  for (let round = 0; ; round++) {
    // how far everything is known; null: to the end
    let reached: Place | null = null;
    {
      using snapshot = reader.snapshot();
      const renewAt = now() + (world.snapshotMs ?? snapshotMs);
      let began = after;
      for (const piece of snapshot.pieces(limitsOf(search, after, order), order)) {
        const bound = order === "newest" ? piece.lastMs : piece.firstMs;
        const here = edge(bound, after, order);
        began ??= here;
        // it stops where it has come further only, so that going on from there comes to an end
        const further = compare(began, here) < 0;
        const entries = certain(bound);
        if (entries.length > 0) yield { kind: "hits", entries };
        if (given >= limit) return yield end(after, null);
        if (givenBytes > maxAnswerBytes) return yield end(after, "memory");
        const time = now();
        if (time > endsAt && further) return yield end(here, "time");
        const horizon = waiting.horizon();
        if (horizon !== null && compare(here, horizon) >= 0) {
          reached = horizon;
          break;
        }
        if (time >= renewAt && further) {
          reached = here;
          break;
        }
        if (time >= progressAt) {
          progressAt = time + progressEveryMs;
          yield { kind: "progress", lines, bytes, atMs: bound };
        }
        // what reaches over the place where the view was renewed is looked at again, and counted once
        const again = round > 0 && began !== null && compare(edge(bound, null, order), began) < 0;
        const counted = again ? 0 : 1;
        lines += counted * piece.lines;
        bytes += counted * piece.rawBytes;
        if (piece.kind === "block") blocks += counted;
        if (!mayMatch(piece, snapshot)) continue;
        if (piece.kind === "block") opened += counted;
        const place = after;
        const room = limit - given;
        const near = piece.kind === "hot" || opened <= firstOpened;
        const taken = readSound(snapshot, piece, near, (columns) => {
          waiting.add(columns, select(columns, place), room);
          return true;
        });
        if (taken === null) damaged += counted;
        yield undefined;
      }
    }
    if (reached === null) {
      const entries = certain(order === "newest" ? -Infinity : Infinity);
      if (entries.length > 0) yield { kind: "hits", entries };
      reached = waiting.horizon();
      if (reached === null) return yield end(waiting.cut() ? after : null, null);
    }
    // what waited is found again, in what is stored by then
    after = reached;
    waiting.clear();
  }
}

/** The place before everything at a bound, or where the search is already, whichever is further on. */
function edge(boundMs: number, after: Place | null, order: Order): Place {
  // newest first, all later arrivals of the millisecond come before
  const place = { ms: boundMs, position: order === "newest" ? lastPosition : 0 };
  return after !== null && byOrder(order)(after, place) > 0 ? after : place;
}

/** What pieces are listed by: a cursor limits their times too. */
function limitsOf(search: EntrySearch, after: Place | null, order: Order): PieceLimits {
  const { scope, servers, sources, streams, level, fromMs, toMs } = search;
  const limits = { scope, servers, sources, streams, level, fromMs, toMs };
  if (after === null) return limits;
  return order === "newest"
    ? { ...limits, toMs: Math.min(toMs ?? Infinity, after.ms + 1) }
    : { ...limits, fromMs: Math.max(fromMs ?? -Infinity, after.ms) };
}
