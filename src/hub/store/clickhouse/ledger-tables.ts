/** The tables of the ledger: which entries are stored, and which inserts are on their way to ClickHouse. */
import { type Kysely, sql } from "kysely";

export type LedgerTables = {
  /** one row */
  log_head: { id: number; head: number };
  log_senders: { server: string; ranges: string; batches: string; crc: number };
  log_inserts: {
    id: string;
    /** who settles it */
    hub: string;
    first_position: number;
    count: number;
    /** when it arrived, milliseconds: with its day, the partition it is in */
    at: number;
    /** of a cluster, from 1; 0: a single server */
    shard: number;
    /** JSON: what it added to each sender */
    body: string;
  };
  /** positions that were given and came to nothing, of the last day */
  log_holes: { first_position: number; count: number; at: number };
};

/** Makes them; within a migration. */
export async function makeLedgerTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("log_head")
    .addColumn("id", "integer", (column) => column.primaryKey())
    .addColumn("head", "bigint", (column) => column.notNull())
    .execute();
  await sql`insert into log_head (id, head) values (1, 0)`.execute(db);
  await db.schema
    .createTable("log_senders")
    .addColumn("server", "text", (column) => column.primaryKey())
    .addColumn("ranges", "text", (column) => column.notNull())
    .addColumn("batches", "text", (column) => column.notNull())
    .addColumn("crc", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("log_inserts")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("hub", "text", (column) => column.notNull())
    .addColumn("first_position", "bigint", (column) => column.notNull())
    .addColumn("count", "bigint", (column) => column.notNull())
    .addColumn("at", "bigint", (column) => column.notNull())
    .addColumn("shard", "integer", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("log_holes")
    .addColumn("first_position", "bigint", (column) => column.primaryKey())
    .addColumn("count", "bigint", (column) => column.notNull())
    .addColumn("at", "bigint", (column) => column.notNull())
    .execute();
}
