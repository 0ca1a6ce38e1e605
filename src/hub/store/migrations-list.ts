/** The list of migrations that a database has seen: Kysely opens nothing of which it is not as it should be. */
import type { Database } from "bun:sqlite";

import { timestamp } from "#src/lib/clock.ts";
import { attempt } from "./blocks/damaged.ts";

type Run = { readonly name: string; readonly timestamp: string };

/** What is wrong with it; null: nothing, but for the names in it. */
export function listProblem(database: Database): string | null {
  const list = listOf(database);
  const isInOrder = list.every((one, i) => {
    const ms = Date.parse(one.timestamp);
    return !Number.isNaN(ms) && ms >= Date.parse(list[i - 1]?.timestamp ?? one.timestamp);
  });
  return isInOrder ? null : "the list of its migrations has times that are not in order";
}

/**
 * Writes it again, where a character of a name is another or times are not in order: names are known, and times are good for
 * nothing but their order.
 */
export function mendList(database: Database, names: readonly string[], nowMs: number): void {
  const list = attempt(() => listOf(database));
  if (list === undefined) return;
  const expected = names.slice(0, list.length);
  const isAlmost = list.every(({ name }, i) => differing(name, expected[i] ?? "") <= 1);
  const isRight = list.every(({ name }, i) => name === expected[i]) && listProblem(database) === null;
  if (!isAlmost || isRight) return;
  database.transaction(() => {
    database.run("DELETE FROM kysely_migration");
    const insert = database.query("INSERT INTO kysely_migration (name, timestamp) VALUES (?, ?)");
    for (const name of expected) insert.run(name, timestamp(nowMs));
  })();
}

/** The table itself, in the order of the rows; its index may be what is damaged. */
function listOf(database: Database): readonly Run[] {
  return database.query<Run, []>("SELECT name, timestamp FROM kysely_migration NOT INDEXED ORDER BY rowid").all();
}

function differing(a: unknown, b: string): number {
  if (typeof a !== "string" || a.length !== b.length) return Infinity;
  return Array.from(b, (_, i) => i).filter((i) => a[i] !== b[i]).length;
}
