/**
 * One hub at a time: a row that is locked by a transaction which stays open meanwhile. It ends with its connection, so
 * nobody has to clean up after a hub that dies, and every database has it, other than advisory locks.
 */
import { type Kysely, sql } from "kysely";

import { isMakingTwice } from "./faults.ts";

type Tables = { orion_locks: { name: string } };

/** Runs work while nobody else, here or on another hub, runs work under the same name. */
export type Lock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

const maxTries = 10;

/** @param db whose sessions' timeouts also end a wait, and a work that takes longer */
export function createLock(db: Kysely<unknown>): Lock {
  const locks = db as Kysely<Tables>;
  const made = new Set<string>();

  async function make(name: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await locks.schema
          .createTable("orion_locks")
          .ifNotExists()
          .addColumn("name", "text", (column) => column.primaryKey())
          .execute();
        await locks
          .insertInto("orion_locks")
          .values({ name })
          .onConflict((on) => on.doNothing())
          .execute();
        made.add(name);
        return;
      } catch (error) {
        if (tries >= maxTries || !isMakingTwice(error)) throw error;
      }
    }
  }

  return async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    if (!made.has(name)) await make(name);
    let done: { readonly value: T } | undefined;
    try {
      await locks.transaction().execute(async (holding) => {
        await sql`SELECT name FROM orion_locks WHERE name = ${name} FOR UPDATE`.execute(holding);
        done = { value: await work() };
      });
    } catch (error) {
      // what was done stays done, though the lock was lost in the end
      if (done === undefined) throw error;
    }
    if (done === undefined) throw new Error("the lock's transaction did nothing");
    return done.value;
  };
}
