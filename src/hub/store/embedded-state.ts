/** The state in SQLite: one connection, on which everything is synchronous, and its group commit. */
import type { Database, Statement } from "bun:sqlite";
import { type Compilable, sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { Fault, errnoOf } from "#src/protocol/fault.ts";
import { type Commits, type Staged, createCommits, storageFault } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateDatabase, Writing } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import type { Answer, Built, Call, Work } from "./statement.ts";

export type EmbeddedState = StateDatabase & {
  readonly commits: Commits;
  readonly look: NonNullable<StateDatabase["look"]>;
};

/** No other hub hears of it, and SQLite counts by itself. */
const writing: Writing = { next: () => null, changed: () => undefined };

/** @param staged what follows the transactions; a function, since it may be made of what this gives */
export function createEmbeddedState(
  { database, queries }: Opened<StateTables>,
  clock: Clock,
  staged: () => Staged,
): EmbeddedState {
  const commits = createCommits(
    database,
    { commit: () => staged().commit(), rollback: () => staged().rollback() },
    clock,
  );
  const answer = createAnswers(database);
  function perform<T>(work: (writing: Writing) => Work<T>): T {
    try {
      return finish(work(writing), answer);
    } catch (error) {
      const conflict = conflicts.get(errnoOf(error) ?? "");
      throw conflict === undefined ? error : new Fault("conflict", conflict, { cause: error });
    }
  }
  const lightly = database.transaction(perform) as typeof perform;
  const search = async <Row>(query: Compilable<Row>) => (await queries.executeQuery(query)).rows;

  return {
    queries,
    commits,
    async read<Row>(query: Compilable<Row> | Call<Row>) {
      if ("built" in query) return answer(query).rows as readonly Row[];
      return await search(query);
    },
    search,
    write: (work, { bytes = 0 } = {}) => commits.write(bytes, () => perform(work)),
    async writeLightly(work) {
      // what is open first: the setting can't change within a transaction
      commits.flush();
      // these need not wait for the disk, nor make others wait for it
      database.run("PRAGMA synchronous = NORMAL");
      try {
        return lightly(work);
      } catch (error) {
        throw storageFault(error);
      } finally {
        database.run("PRAGMA synchronous = FULL");
      }
    },
    // the plus keeps SQLite from looking for each of the values in an index: no row is sorted or read in vain
    isOneOf: (column, values) =>
      sql<boolean>`+${sql.ref(column)} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`,
    look: <Row>(call: Call<Row>) => answer(call).rows as readonly Row[],
    async head(list) {
      // AUTOINCREMENT counts here, also what has been deleted since
      const row = database.query<{ seq: number }, [string]>("SELECT seq FROM sqlite_sequence WHERE name = ?").get(list);
      return row?.seq ?? 0;
    },
  };
}

/** Rows that may not be beside others, as these are. */
const conflicts = new Map([
  ["SQLITE_CONSTRAINT_UNIQUE", "it exists already"],
  ["SQLITE_CONSTRAINT_PRIMARYKEY", "it exists already"],
  ["SQLITE_CONSTRAINT_FOREIGNKEY", "what it belongs to is gone, or something belongs to it"],
]);

/** Runs work to its end. */
function finish<T>(work: Work<T>, answer: (call: Call) => Answer): T {
  let step = work.next();
  while (step.done !== true) step = work.next(answer(step.value));
  return step.value;
}

const none: readonly unknown[] = [];

/** Answers calls; a statement that was made once is prepared once. */
function createAnswers(database: Database): (call: Call) => Answer {
  const prepared = new WeakMap<Built, { readonly run: Statement; readonly reads: boolean }>();
  return ({ built, parameters }) => {
    let known = prepared.get(built);
    if (known === undefined) {
      const made = database.prepare(built.sql);
      prepared.set(built, (known = { run: made, reads: made.columnNames.length > 0 }));
    }
    const values = parameters as never[];
    if (known.reads) return { rows: known.run.all(...values), changes: 0, lastRow: null };
    const { changes, lastInsertRowid } = known.run.run(...values);
    return { rows: none, changes, lastRow: Number(lastInsertRowid) };
  };
}
