/**
 * When entries arrived, roughly: the newest position is noted at the first retention of each day. Their own times may be
 * those of a clock that is wrong.
 */
import type { Database } from "bun:sqlite";

import type { Commits } from "../commits.ts";
import { dayMs } from "./block.ts";

/** Notes are among the counters. */
const prefix = "position of day ";
/** Longer than anything is kept as a rule, and a few kilobytes. */
const mostDays = 2000;

export type ArrivalWorld = {
  readonly database: Database;
  readonly commits: Commits;
  readonly now: () => number;
  /** the position of the newest entry */
  readonly head: () => number;
};

/** Notes where today begins, unless it is noted. */
export async function noteArrivals({ database, commits, now, head }: ArrivalWorld): Promise<void> {
  const day = Math.floor(now() / dayMs);
  const known = database.query<{ name: string }, [string]>("SELECT name FROM counters WHERE name = ?");
  if (known.get(`${prefix}${day}`) !== null) return;
  const add = database.query<unknown, [string, number]>("INSERT INTO counters (name, value) VALUES (?, ?)");
  const remove = database.query<unknown, [string]>("DELETE FROM counters WHERE name = ?");
  const position = head();
  await commits.write(0, () => {
    add.run(`${prefix}${day}`, position);
    for (const old of daysIn(database).slice(0, -mostDays)) remove.run(`${prefix}${old.day}`);
  });
}

/** Tells the position up to which everything had arrived before a time; 0: not known of anything. */
export function readArrivals(database: Database): (ms: number) => number {
  const days = daysIn(database);
  return (ms) => days.findLast(({ day }) => day * dayMs <= ms - dayMs)?.position ?? 0;
}

/** Rising. */
function daysIn(database: Database): readonly { readonly day: number; readonly position: number }[] {
  return database
    .query<{ name: string; value: number }, [string]>("SELECT name, value FROM counters WHERE name LIKE ?")
    .all(`${prefix}%`)
    .map(({ name, value }) => ({ day: Number(name.slice(prefix.length)), position: value }))
    .sort((a, b) => a.day - b.day);
}
