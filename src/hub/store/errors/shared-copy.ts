/**
 * A hub's own copy of the error groups that several hubs have: what the embedded store has, and how far in the common log
 * it is. Both change together, so that a copy is what the log says up to its mark, whenever its hub is killed.
 */
import { Database } from "bun:sqlite";
import { join } from "node:path";

import { openDatabase } from "../database.ts";
import { type Transact, createErrorStore, transact } from "./errors.ts";
import type { ErrorStore } from "./port.ts";
import { type Operation, perform } from "./shared-operations.ts";
import { type ErrorTables, errorMigrations } from "./tables.ts";

/** Up to where, of which log, and in whose turn that was written. */
export type Mark = { readonly logId: string; readonly position: number; readonly term: string };

/** Work without a pause while many operations are applied, in milliseconds. */
const sliceMs = 8;

/** What a copy holds at one moment, for reading while it changes. Pins the space of what is changed until it is closed. */
export type Pinned = { readonly database: Database; readonly mark: Mark; close(): void };

export type Applied = { readonly position: number; readonly term: string; readonly operation: Operation };

export type Copy = {
  readonly store: ErrorStore;
  mark(): Mark;
  setMark(mark: Mark): void;
  /** Does `work`, which is one call of `store` that changes something, together with the mark. */
  change<T>(mark: Mark, work: () => T): T;
  /** A call that changes nothing, for `change`. */
  readonly touch: () => void;
  /** Applies the first of these with the mark, as many as take a few milliseconds. @returns how many */
  apply(next: readonly Applied[]): number;
  pin(): Pinned;
  close(): void;
};

const noMark: Mark = { logId: "", position: 0, term: "" };

/** Opens or makes the file. Rejects with a Fault `failed` when it can't be opened. */
export async function openCopy(folder: string, name: string): Promise<Copy> {
  const file = join(folder, name);
  const opened = await openDatabase<ErrorTables>(file, errorMigrations);
  const { database } = opened;
  // what a loss of power takes with it, the mark too, is in the log
  database.run("PRAGMA synchronous = NORMAL");
  database.run(
    "CREATE TABLE IF NOT EXISTS copy_mark (id INTEGER PRIMARY KEY, log_id TEXT NOT NULL, position INTEGER NOT NULL, term TEXT NOT NULL)",
  );
  const put = database.prepare<unknown, [string, number, string]>(
    "INSERT OR REPLACE INTO copy_mark (id, log_id, position, term) VALUES (1, ?, ?, ?)",
  );
  let mark = readMark(database);
  // the mark that goes with the transaction that comes next
  let next: Mark | null = null;
  let inside = false;

  const within: Transact = (work) => {
    if (inside) return work();
    return transact(database, () => {
      const value = work();
      if (next !== null) putMark(next);
      return value;
    });
  };
  const store = createErrorStore(opened, within);

  function putMark({ logId, position, term }: Mark): void {
    put.run(logId, position, term);
  }

  return {
    store,
    mark: () => mark,
    setMark(to) {
      putMark(to);
      mark = to;
    },
    change(to, work) {
      next = to;
      try {
        return work();
      } finally {
        next = null;
        mark = readMark(database);
      }
    },
    touch: () => within(() => undefined),
    apply(operations) {
      const end = performance.now() + sliceMs;
      let count = 0;
      let reached = mark;
      inside = true;
      try {
        transact(database, () => {
          for (const { position, term, operation } of operations) {
            perform(store, operation);
            reached = { ...mark, position, term };
            count++;
            if (performance.now() >= end) break;
          }
          putMark(reached);
        });
      } catch (error) {
        store.forgetNames();
        throw error;
      } finally {
        inside = false;
      }
      mark = reached;
      return count;
    },
    pin() {
      const reader = new Database(file, { readonly: true, strict: true });
      reader.run("BEGIN");
      // the transaction begins with its first read
      return { database: reader, mark: readMark(reader), close: () => reader.close() };
    },
    close: () => store.close(),
  };
}

function readMark(database: Database): Mark {
  const row = database.query<Mark, []>('SELECT log_id AS "logId", position, term FROM copy_mark').get();
  return row ?? noMark;
}
