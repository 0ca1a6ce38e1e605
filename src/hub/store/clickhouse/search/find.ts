/**
 * A search: ClickHouse is asked for one stretch of time after the other for what may match. What SQL can say is answered in
 * order and given as it comes; of the rest, the matcher takes what is selected, and it is sorted here.
 */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { EntrySearch, SearchPart } from "../../log-port.ts";
import { type Place, readCursor, writeCursor } from "../../search/place.ts";
import { createWaiting } from "../../search/waiting.ts";
import { limitsOf, saidOf, within } from "./query-said.ts";
import { type Patience, TimeUp } from "./reading.ts";
import { createRowSieve, inOrder, readRows, rowColumns } from "./rows.ts";
import { isExact } from "./said.ts";
import type { Spread, World } from "./spread.ts";
import { type Sql, and, no, number, or, yes } from "./sql.ts";
import { type Stretch, createStretches } from "./stretches.ts";

/** Bytes of one answer, roughly; a longer one goes on with its cursor. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** Bytes that are asked for at once, as far as can be told by the rows that came before. */
const maxAskedBytes = 32 * 1024 * 1024;
/** Rows that are asked for at once: the first time, when nobody knows how long they are, and at most. */
const firstRows = 1024;
const mostRows = 50_000;
/** The first stretch holds about so many rows for each one that is wanted: when all are wanted, and when only some are. */
const rowsEach = { all: 4, some: 50 };
/** Between two notes of how far it is, in milliseconds. */
const progressEveryMs = 100;
/** A search that comes no further than it was gets as many times its budget, until it does. */
const moreTime = 4;
const leastMs = 1000;

export type FindWorld = World & {
  readonly spread: (patience: Patience) => Promise<Spread>;
  /** for tests */
  readonly maxAnswerBytes?: number;
  readonly mostRows?: number;
};

/** Throws a Fault `invalid` for a cursor that is none. */
export async function* find(
  world: FindWorld,
  search: EntrySearch,
  signal?: AbortSignal,
): AsyncGenerator<SearchPart, void, void> {
  const { order, limit, budgetMs, query } = search;
  const newest = order === "newest";
  const { reading, monotonic } = world;
  const endsAt = budgetMs === null ? Infinity : monotonic() + budgetMs;
  const left = (): number | null => (endsAt === Infinity ? null : Math.max(1, endsAt - monotonic()));
  const most = world.maxAnswerBytes ?? maxAnswerBytes;
  const said = saidOf(query);
  const exact = isExact(said);
  const condition = and(limitsOf(search), said.upper);
  const sieve = createRowSieve(search);
  let after: Place | null = search.cursor === null ? null : readCursor(search.cursor);
  let [given, givenBytes] = [0, 0];
  let [lines, bytes, asked, answered] = [0, 0, 0, 0];
  let progressAt = monotonic() + progressEveryMs;
  let rowsAtOnce = Math.min(firstRows, world.mostRows ?? mostRows);
  let extra = 1;

  const end = (cursor: Place | null, stoppedEarly: "time" | "memory" | null): SearchPart => ({
    kind: "end",
    cursor: cursor === null ? null : writeCursor(cursor),
    stoppedEarly,
    lines,
    blocks: asked,
    opened: answered,
    damaged: 0,
  });

  if (condition === no) return yield end(null, null);
  const each = said.upper === yes ? rowsEach.all : rowsEach.some;
  const spread = await world.spread({ timeoutMs: null, signal });
  const stretches = createStretches(order, timesOf(search, after), spread, each * limit);

  for (let stretch = stretches.next(); stretch !== null; stretch = stretches.next()) {
    const further = stretches.reached() !== null || given > 0;
    const time = left();
    const began = monotonic();
    const linesBefore = lines;
    asked++;
    try {
      const patience = {
        timeoutMs: time === null || further ? time : Math.max(time, leastMs) * extra,
        signal,
      };
      const outcome = exact ? yield* take(stretch, patience) : yield* sift(stretch, patience);
      if (outcome === "full") return yield end(after, null);
      if (outcome === "memory") return yield end(after, "memory");
      if (outcome === "all") stretches.finish(monotonic() - began);
      else stretches.cut(outcome.ms);
    } catch (error) {
      if (!(error instanceof TimeUp)) throw error;
      if (stretches.reached() !== null || given > 0) return yield end(edge(after, stretches.reached()), "time");
      // going on from there must come to an end: less is asked for, and it gets more time
      if (!stretches.shorten()) extra *= moreTime;
      extra *= moreTime;
      continue;
    }
    if (lines > linesBefore) answered++;
    if (stretches.next() === null) break;
    if (given >= limit) return yield end(after, null);
    if (givenBytes > most) return yield end(edge(after, stretches.reached()), "memory");
    const now = monotonic();
    if (now > endsAt) return yield end(edge(after, stretches.reached()), "time");
    if (now >= progressAt) {
      progressAt = now + progressEveryMs;
      yield { kind: "progress", lines, bytes, atMs: stretches.reached() ?? 0 };
    }
  }
  yield end(null, null);

  function asking(select: string, { fromMs, toMs }: Stretch): string {
    const where = and(condition, within(fromMs, toMs), beyond(after, newest));
    return `SELECT ${select} FROM ${reading.table} WHERE ${where}`;
  }

  /** Gives what ClickHouse finds. @returns how far the stretch is known: all of it, or to a place */
  async function* take(
    stretch: Stretch,
    patience: Patience,
  ): AsyncGenerator<SearchPart, "all" | "full" | "memory" | Place, void> {
    // one more than is wanted tells whether there are more
    const wanted = Math.min(rowsAtOnce, limit - given + 1);
    const way = newest ? "DESC" : "ASC";
    const sql = `${asking(rowColumns, stretch)} ORDER BY at ${way}, position ${way} LIMIT ${wanted}`;
    let [rowCount, rowBytes] = [0, 0];
    for await (const block of reading.blocks(sql, patience)) {
      const rows = readRows(block);
      const entries: StoredEntry[] = [];
      let outcome: "full" | "memory" | null = null;
      for (let i = 0; i < block.rows && outcome === null; i++) {
        if (given >= limit) outcome = "full";
        else {
          after = { ms: rows.lines.times[i] ?? 0, position: rows.lines.positions[i] ?? 0 };
          const size = rows.size(i);
          rowBytes += size;
          givenBytes += size;
          given++;
          entries.push(rows.entry(i));
          if (givenBytes > most) outcome = "memory";
        }
      }
      rowCount += block.rows;
      lines += block.rows;
      if (entries.length > 0) yield { kind: "hits", entries };
      if (outcome !== null) return outcome;
    }
    bytes += rowBytes;
    if (rowCount > 0) rowsAtOnce = rowsFor(rowBytes / rowCount, world.mostRows ?? mostRows);
    return rowCount < wanted || after === null ? "all" : after;
  }

  /** Looks through what may match. @returns how far the stretch is known */
  async function* sift(stretch: Stretch, patience: Patience): AsyncGenerator<SearchPart, "all" | "full" | Place, void> {
    const waiting = createWaiting(order, most);
    const room = limit - given;
    const sql = asking(`${rowColumns}, toUInt8(${said.lower}) AS sure`, stretch);
    for await (const block of reading.blocks(sql, patience)) {
      const rows = readRows(block);
      for (const selected of sieve(rows)) {
        const sorted = inOrder(selected, rows);
        waiting.add(sorted.columns, sorted.lines, room);
      }
      lines += block.rows;
      bytes += rows.lines.text.length;
    }
    const horizon = waiting.horizon();
    const ready = waiting.before(newest ? -Infinity : Infinity);
    given += ready.entries.length;
    givenBytes += ready.bytes;
    after = ready.last ?? after;
    if (ready.entries.length > 0) yield { kind: "hits", entries: ready.entries };
    if (given >= limit) return waiting.cut() || horizon !== null ? "full" : "all";
    if (horizon === null) return "all";
    // what is behind it is found again
    return (after = horizon);
  }

  /** Where everything is known up to. */
  function edge(last: Place | null, reached: number | null): Place | null {
    if (reached === null) return last;
    // nothing that is stored has the position 0
    const known = { ms: reached, position: 0 };
    if (last === null) return known;
    const isFurther = newest ? last.ms < reached : last.ms >= reached;
    return isFurther ? last : known;
  }
}

/** The times that are left to be asked for. */
function timesOf({ order, fromMs, toMs }: EntrySearch, after: Place | null): Stretch {
  const [from, to] = [fromMs ?? -Infinity, toMs ?? Infinity];
  if (after === null) return { fromMs: from, toMs: to };
  return order === "newest"
    ? { fromMs: from, toMs: Math.min(to, after.ms + 1) }
    : { fromMs: Math.max(from, after.ms), toMs: to };
}

/** What comes after a place, of what is not before its time. */
function beyond(after: Place | null, newest: boolean): Sql {
  if (after === null) return yes;
  const sign = newest ? "<" : ">";
  return or(`(at ${sign} ${number(after.ms)})`, `(position ${sign} ${number(after.position)})`);
}

function rowsFor(bytesEach: number, most: number): number {
  return Math.max(128, Math.min(most, Math.floor(maxAskedBytes / Math.max(1, bytesEach))));
}
