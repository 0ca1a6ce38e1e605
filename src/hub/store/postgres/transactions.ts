/**
 * One transaction of this hub after the other, each counted in a row that nobody else writes: from it can be told whether
 * one was committed whose connection was lost.
 */
import { CompiledQuery, type Kysely, type Transaction, sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { appendChanges } from "../cluster/changes.ts";
import type { Change } from "../cluster/port.ts";
import type { Counted, Writing } from "../state-database.ts";
import { type Answer, type Call, type Work, asGiven } from "../statement.ts";
import { isAway } from "./faults.ts";
import type { PostgresStateTables } from "./migrations.ts";
import { withoutNul } from "./state-faults.ts";

/** Rows of writers that have ended are of no use to anybody. */
const forgetWritersAfterMs = 7 * 86_400_000;

/** It is not known whether a transaction was committed: its connection was lost meanwhile. */
export class InDoubt extends Error {
  override readonly name = "InDoubt";
}

/** Whether nothing is wrong with what was asked: it passes by itself. */
export const isPassing = (error: unknown): boolean =>
  isAway(error) || (error instanceof Fault && error.code === "unavailable");

/** One thing to do within a transaction. */
export type Task = {
  readonly work: (writing: Writing) => Work<unknown>;
  /** adds rows to a list that is counted */
  readonly counts: boolean;
  /** what came of it the last time; counts once the transaction is committed */
  value: unknown;
};

export type Transactions = {
  /** Makes the row by which it is told apart. */
  readonly open: () => Promise<void>;
  /**
   * Does all of them in one transaction, none of them when it rejects. Rejects with InDoubt when that is not known; then
   * `wasCommitted` comes next. `light`: it may be lost with the power, and be done twice.
   */
  readonly run: (tasks: readonly Task[], light: boolean) => Promise<void>;
  /** Whether the transaction in doubt was committed; waits for a server that is still busy with it. */
  readonly wasCommitted: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

export type TransactionsWorld = {
  readonly db: Kysely<PostgresStateTables>;
  readonly clock: Pick<Clock, "now">;
  /** under which name other hubs hear of changes */
  readonly hubId: () => string;
  readonly canNotify: boolean;
  /** whether a transaction need not wait for the disk */
  readonly canBeLight: boolean;
};

export function createTransactions({ db, clock, hubId, canNotify, canBeLight }: TransactionsWorld): Transactions {
  const writer = crypto.randomUUID();
  // those that are known to have been committed
  let committed = 0;
  /** the newest changes that others may have seen */
  let told = { hub: "", n: 0 };

  /** Puts `n` into this writer's row, which others may have deleted as one that is of no use any more. */
  async function put(within: Kysely<PostgresStateTables>, n: number): Promise<void> {
    await within
      .insertInto("state_writers")
      .values({ id: writer, n, at_ms: clock.now() })
      .onConflict((on) => on.column("id").doUpdateSet(asGiven("n", "at_ms")))
      .execute();
  }

  return {
    async open() {
      const beforeMs = clock.now() - forgetWritersAfterMs;
      await db.deleteFrom("state_writers").where("at_ms", "<", beforeMs).execute();
      await put(db, committed);
    },
    async run(tasks, light) {
      let committing = false;
      try {
        await db.transaction().execute(async (transaction) => {
          if (light && canBeLight) await sql`SET LOCAL synchronous_commit = off`.execute(transaction);
          const counting = tasks.some(({ counts }) => counts) ? await openCounting(transaction) : null;
          const changes: Change[] = [];
          const writing: Writing = {
            next: (list) => counting?.next(list) ?? null,
            changed: (kind, id) => void changes.push({ kind, id }),
          };
          for (const task of tasks) task.value = await finish(transaction, task.work(writing));
          await counting?.close();
          if (!light) await put(transaction, committed + 1);
          const hub = hubId();
          const n = await appendChanges<PostgresStateTables>(
            transaction,
            hub,
            changes,
            canNotify,
            told.hub === hub ? told.n : 0,
          );
          if (n !== null) told = { hub, n };
          committing = true;
        });
      } catch (error) {
        if (!committing || light || !isPassing(error)) throw error;
        throw new InDoubt("the connection was lost while a transaction was being committed", { cause: error });
      }
      if (!light) committed++;
    },
    async wasCommitted() {
      // puts what is known if there is no row: a row that is being put there is waited for only by one who puts it, too
      const { n } = await db
        .insertInto("state_writers")
        .values({ id: writer, n: committed, at_ms: clock.now() })
        .onConflict((on) => on.column("id").doUpdateSet(asGiven("at_ms")))
        .returning("n")
        .executeTakeFirstOrThrow();
      const was = n === committed + 1;
      if (was) committed++;
      return was;
    },
    async close() {
      await db.deleteFrom("state_writers").where("id", "=", writer).execute();
    },
  };
}

/** Locks the lists until the end of the transaction, so that what is counted becomes visible in that order. */
async function openCounting(transaction: Transaction<PostgresStateTables>) {
  // first of all, and always in the same order: no two hubs wait for each other here
  const lock = sql<{ list: Counted; position: number }>`SELECT list, position FROM positions ORDER BY list FOR UPDATE`;
  const before = new Map((await lock.execute(transaction)).rows.map(({ list, position }) => [list, position]));
  const heads = new Map(before);
  return {
    next(list: Counted): number {
      const position = (heads.get(list) ?? 0) + 1;
      heads.set(list, position);
      return position;
    },
    async close(): Promise<void> {
      for (const [list, position] of heads) {
        if (position === before.get(list)) continue;
        await transaction.updateTable("positions").set({ position }).where("list", "=", list).execute();
      }
    },
  };
}

/** Runs work to its end. */
async function finish<T>(transaction: Transaction<PostgresStateTables>, work: Work<T>): Promise<T> {
  let step = work.next();
  while (step.done !== true) step = work.next(await answer(transaction, step.value));
  return step.value;
}

/** Answers a call. */
export async function answer(db: Kysely<PostgresStateTables>, { built, parameters }: Call): Promise<Answer> {
  const { rows, numAffectedRows } = await db.executeQuery(CompiledQuery.raw(built.sql, [...withoutNul(parameters)]));
  return { rows, changes: Number(numAffectedRows ?? 0), lastRow: null };
}
