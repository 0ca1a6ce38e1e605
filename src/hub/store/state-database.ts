/**
 * What the tables of the state stand on, whichever database it is: reading, and writing in transactions that writes of one
 * moment share. See embedded-state.ts for SQLite and postgres/state-database.ts for Postgres.
 */
import type { Compilable, Expression, Kysely, SqlBool } from "kysely";

import type { ChangeKind } from "./cluster/port.ts";
import type { StateTables } from "./state-tables.ts";
import type { Call, Work } from "./statement.ts";

/** What counts its rows, without a gap, in the order in which they become visible. */
export type Counted = "events" | "audit";

/** The transaction that a write is part of. */
export type Writing = {
  /** The position of the next row of a list; null: the database gives it. Only for work that said that it counts. */
  readonly next: (list: Counted) => number | null;
  /** Other hubs are to read this row again. */
  readonly changed: (kind: ChangeKind, id: string) => void;
};

export type WriteOptions = {
  /** of what it keeps in memory, about; a great deal of it is not gathered any further */
  readonly bytes?: number;
  /** adds rows to a list that is counted */
  readonly counts?: boolean;
};

export type StateDatabase = {
  readonly queries: Kysely<StateTables>;
  /** Rejects with a Fault. */
  readonly read: <Row>(query: Compilable<Row> | Call<Row>) => Promise<readonly Row[]>;
  /** The same for what may read a great deal, because a person asks for it: it must not be in the way of anything else. */
  readonly search: <Row>(query: Compilable<Row>) => Promise<readonly Row[]>;
  /** Runs `work` within the next transaction; resolves with its value once that is durable. Rejects with a Fault. */
  readonly write: <T>(work: (writing: Writing) => Work<T>, options?: WriteOptions) => Promise<T>;
  /** As `write`, for what comes again anyway: it need not survive a loss of power, nor does it hold anybody up. */
  readonly writeLightly: <T>(work: (writing: Writing) => Work<T>) => Promise<T>;
  /** Whether a column has one of these values, however many they are. */
  readonly isOneOf: (column: string, values: readonly string[]) => Expression<SqlBool>;
  /** Runs a call at once, outside of any write. null: this database is not only ours, and may have changed since. */
  readonly look: (<Row>(call: Call<Row>) => readonly Row[]) | null;
  /** The newest position that was given in a list; 0: none. */
  readonly head: (list: Counted) => Promise<number>;
};
