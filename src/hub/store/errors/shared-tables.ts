/**
 * Tables by which hubs that share a database have the same error groups: what the hub that groups has done, in order, and
 * now and then all of it at once. See shared.ts.
 */
import { type Kysely, sql } from "kysely";

export type ErrorLogTables = {
  /** One row. */
  error_head: {
    id: number;
    /** of the database that it was made in: a copy of another one is none */
    log_id: string;
    /** the newest hub to group, as it has named its turn; "" before the first */
    term: string;
    /** of the newest row in `error_log`, which may be gone by now; 0: there was none */
    position: number;
    /** the newest complete snapshot; null: there is none */
    snapshot: string | null;
    /** what the snapshot holds everything up to, and in whose turn that was written */
    snapshot_position: number;
    snapshot_term: string;
    snapshot_parts: number;
  };
  /** What was done, one thing after the other, without gaps. */
  error_log: {
    position: number;
    term: string;
    /** of `body`, so that a reader takes only as much as it can hold */
    bytes: number;
    /** JSON in zstd: see shared-log.ts */
    body: Uint8Array;
  };
  /** An SQLite file in pieces, each in zstd. */
  error_snapshots: { id: string; part: number; body: Uint8Array };
  /** What one hub asks of the one that groups: decisions. */
  error_requests: {
    id: string;
    /** JSON */
    body: string;
    /** the turn in which it was taken up; null: not yet */
    term: string | null;
    /** JSON, while it is being done */
    progress: string | null;
    /** JSON; null: it has not been done */
    answer: string | null;
    /** where in the log what was done lies, at the latest */
    position: number | null;
    /** not to be begun after this, by the clock of the database */
    expires_at: Date;
  };
};

/** Makes them in a database that has none. For a migration on Postgres, within its transaction. */
export async function makeErrorLogTables<T>(database: Kysely<T>): Promise<void> {
  const { schema } = database;
  await schema
    .createTable("error_head")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("log_id", "text", (column) => column.notNull())
    .addColumn("term", "text", (column) => column.notNull())
    .addColumn("position", "bigint", (column) => column.notNull())
    .addColumn("snapshot", "text")
    .addColumn("snapshot_position", "bigint", (column) => column.notNull())
    .addColumn("snapshot_term", "text", (column) => column.notNull())
    .addColumn("snapshot_parts", "integer", (column) => column.notNull())
    .execute();
  await schema
    .createTable("error_log")
    .addColumn("position", "bigint", (column) => column.primaryKey())
    .addColumn("term", "text", (column) => column.notNull())
    .addColumn("bytes", "bigint", (column) => column.notNull())
    .addColumn("body", "bytea", (column) => column.notNull())
    .execute();
  await schema
    .createTable("error_snapshots")
    .addColumn("id", "text", (column) => column.notNull())
    .addColumn("part", "integer", (column) => column.notNull())
    .addColumn("body", "bytea", (column) => column.notNull())
    .addPrimaryKeyConstraint("error_snapshots_key", ["id", "part"])
    .execute();
  await schema
    .createTable("error_requests")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("term", "text")
    .addColumn("progress", "text")
    .addColumn("answer", "text")
    .addColumn("position", "bigint")
    .addColumn("expires_at", "timestamptz", (column) => column.notNull())
    .execute();
  await sql`INSERT INTO error_head (id, log_id, term, position, snapshot, snapshot_position, snapshot_term, snapshot_parts)
    VALUES (1, ${crypto.randomUUID()}, '', 0, NULL, 0, '', 0)`.execute(database);
}
