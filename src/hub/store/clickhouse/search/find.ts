/**
 * A search: ClickHouse is asked for one stretch of time after the other, sorted, for what may match; the matcher decides
 * about what SQL could not say, and everything is given in order as it comes.
 */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { EntrySearch, SearchPart } from "../../log-port.ts";
import { type Place, readCursor, writeCursor } from "../../search/place.ts";
import { limitsOf, saidOf, within } from "./query-said.ts";
import { type Patience, TimeUp } from "./reading.ts";
import { createRowSieve, readRows, rowColumns } from "./rows.ts";
import { isExact } from "./said.ts";
import type { Spread, World } from "./spread.ts";
import { type Sql, and, no, number, or, yes } from "./sql.ts";
import { createStretches } from "./stretches.ts";

/** Bytes of one answer, roughly; a longer one goes on with its cursor. */
const maxAnswerBytes = 64 * 1024 * 1024;
/** Bytes that are asked for at once, as far as can be told by the rows that came before. */
const maxAskedBytes = 32 * 1024 * 1024;
/** Rows that are asked for at once: the first time, when nobody knows how long they are, and at most. */
const firstRows = 1024;
const mostRows = 50_000;
/** The first stretch holds about so many rows for each one that is wanted: what is common is found at once. */
const firstRowsEach = 50;
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
  const endsAt = budgetMs === null ? Infinity : world.monotonic() + budgetMs;
  const most = world.maxAnswerBytes ?? maxAnswerBytes;
  const said = saidOf(query);
  const exact = isExact(said);
  const condition = and(limitsOf(search), said.upper);
  const select = exact ? rowColumns : `${rowColumns}, toUInt8(${said.lower}) AS sure`;
  const sieve = createRowSieve(search);
  const left = (): number | null => (endsAt === Infinity ? null : Math.max(1, endsAt - world.monotonic()));
  let after: Place | null = search.cursor === null ? null : readCursor(search.cursor);
  let [given, givenBytes] = [0, 0];
  let [lines, bytes, asked, answered] = [0, 0, 0, 0];
  let progressAt = world.monotonic() + progressEveryMs;

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
  const limits = timesOf(search, after);
  const spread = await world.spread({ timeoutMs: null, signal });
  const stretches = createStretches(order, limits, spread, firstRowsEach * limit);
  let rowsAtOnce = Math.min(firstRows, world.mostRows ?? mostRows);
  let extra = 1;

  for (let stretch = stretches.next(); stretch !== null; stretch = stretches.next()) {
    // one more than is wanted tells whether there are more
    const wanted = exact ? Math.min(rowsAtOnce, limit - given + 1) : rowsAtOnce;
    const sql = `SELECT ${select} FROM ${world.reading.table} WHERE ${and(condition, within(stretch.fromMs, stretch.toMs), beyond(after, newest))} ORDER BY at ${newest ? "DESC" : "ASC"}, position ${newest ? "DESC" : "ASC"} LIMIT ${wanted}`;
    const further = stretches.reached() !== null || given > 0;
    const time = left();
    let [rowCount, rowBytes] = [0, 0];
    let seen: Place | null = null;
    asked++;
    try {
      const timeoutMs = time === null || further ? time : Math.max(time, leastMs) * extra;
      for await (const block of world.reading.blocks(sql, { timeoutMs, signal })) {
        const rows = readRows(block);
        const selected = exact ? null : new Uint8Array(block.rows);
        for (const { lines: found } of selected === null ? [] : sieve(rows))
          for (const i of found) selected?.fill(1, i, i + 1);
        const entries: StoredEntry[] = [];
        for (let i = 0; i < block.rows; i++) {
          seen = { ms: rows.lines.times[i] ?? 0, position: rows.lines.positions[i] ?? 0 };
          const size = rows.size(i);
          rowBytes += size;
          if (selected?.[i] === 0) {
            after = seen;
            continue;
          }
          const full = given >= limit;
          if (!full) {
            after = seen;
            given++;
            givenBytes += size;
            entries.push(rows.entry(i));
          }
          // one more was asked for; of what the hub has to look at, another one may be far away
          if (full || givenBytes > most || (!exact && given >= limit)) {
            if (entries.length > 0) yield { kind: "hits", entries };
            return yield end(after, given >= limit ? null : "memory");
          }
        }
        rowCount += block.rows;
        if (entries.length > 0) yield { kind: "hits", entries };
      }
    } catch (error) {
      if (!(error instanceof TimeUp)) throw error;
      if (stretches.reached() !== null || given > 0) return yield end(edge(after, stretches.reached()), "time");
      // going on from there must come to an end: less is asked for, and it gets more time
      if (!stretches.shorten()) extra *= moreTime;
      extra *= moreTime;
      continue;
    }
    if (rowCount > 0) answered++;
    lines += rowCount;
    bytes += rowBytes;
    if (rowCount < wanted || seen === null) stretches.finish();
    else {
      after = seen;
      stretches.cut(seen.ms);
    }
    if (rowCount > 0) rowsAtOnce = rowsFor(rowBytes / rowCount, world.mostRows ?? mostRows);
    if (stretches.next() === null) break;
    if (given >= limit) return yield end(after, null);
    const now = world.monotonic();
    if (now > endsAt) return yield end(edge(after, stretches.reached()), "time");
    if (now >= progressAt) {
      progressAt = now + progressEveryMs;
      yield { kind: "progress", lines, bytes, atMs: stretches.reached() ?? 0 };
    }
  }
  yield end(null, null);

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
function timesOf({ order, fromMs, toMs }: EntrySearch, after: Place | null) {
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
