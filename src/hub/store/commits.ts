/**
 * Group commit: writes that arrive within a few milliseconds share one transaction and one fsync, and their promises
 * resolve after it. What a transaction stages in memory becomes visible with its commit and is forgotten with its
 * rollback.
 */
import type { Database } from "bun:sqlite";

import type { Clock } from "#src/lib/clock.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";

/** A write waits at most this long for company. */
const gatherMs = 2;
/** With this much waiting, company would only cost memory. */
const enoughBytes = 1024 * 1024;

/** Memory that follows the transaction. */
export type Staged = { commit(): void; rollback(): void };

type Job = { readonly bytes: number; run(): void; done(): void; failed(error: unknown): void };

export type Commits = {
  /** Runs `work` within the next transaction; resolves with its value once that is durable. */
  readonly write: <T>(bytes: number, work: () => T) => Promise<T>;
  /** Bytes of the writes that wait. */
  readonly waiting: () => number;
  /** Writes what waits, now. */
  readonly flush: () => void;
};

/** Group commit on one connection. `database` must have `synchronous=FULL` for "durable" to be true. */
export function createCommits(database: Database, staged: Staged, clock: Clock): Commits {
  let jobs: Job[] = [];
  let waitingBytes = 0;
  let scheduled: "no" | "soon" | "now" = "no";

  function transact(group: readonly Job[]): void {
    database.run("BEGIN IMMEDIATE");
    try {
      for (const job of group) job.run();
      database.run("COMMIT");
    } catch (error) {
      staged.rollback();
      // SQLite rolls back by itself when the disk is full (sqlite.org/lang_transaction.html)
      if (database.inTransaction) database.run("ROLLBACK");
      throw error;
    }
    staged.commit();
  }

  function attempt(group: readonly Job[]): void {
    try {
      transact(group);
    } catch (error) {
      const [only] = group;
      if (group.length > 1) {
        // one bad write must not take its neighbours with it
        for (const job of group) attempt([job]);
      } else only?.failed(storageFault(error));
      return;
    }
    for (const job of group) job.done();
  }

  function flush(): void {
    scheduled = "no";
    if (jobs.length === 0) return;
    const group = jobs;
    jobs = [];
    waitingBytes = 0;
    attempt(group);
  }

  return {
    write<T>(bytes: number, work: () => T) {
      return new Promise<T>((resolve, reject) => {
        let value: T;
        jobs.push({
          bytes,
          run: () => {
            value = work();
          },
          done: () => resolve(value),
          failed: reject,
        });
        waitingBytes += bytes;
        if (waitingBytes >= enoughBytes && scheduled !== "now") {
          scheduled = "now";
          setImmediate(flush);
        } else if (scheduled === "no") {
          scheduled = "soon";
          clock.after(gatherMs, flush);
        }
      });
    },
    waiting: () => waitingBytes,
    flush,
  };
}

/** A full or failing disk is a passing state that the sender should wait out; anything else is a defect of ours. */
export function storageFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const code = errnoOf(error) ?? "";
  const hint = code.startsWith("SQLITE_FULL")
    ? "Free some space on the disk of the hub's data folder"
    : "See the hub's log and the disk of its data folder";
  const passing = /^SQLITE_(?:FULL|IOERR|BUSY|LOCKED|CANTOPEN|READONLY|NOMEM)/.test(code);
  return new Fault(passing ? "unavailable" : "failed", `can't write to the store: ${reasonOf(error)}`, {
    hint,
    cause: error,
  });
}
