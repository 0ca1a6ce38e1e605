/** Tables of `logs.db`. */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

const withoutRowid = sql`without rowid`;

export const logMigrations: Readonly<Record<string, Migration>> = {
  "0001-chunks": {
    async up(db: Kysely<unknown>) {
      // the body comes last: reading the other columns then never touches its overflow pages
      await db.schema
        .createTable("chunks")
        // the position of its first entry, so that an id is never given twice, also after retention
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("server", "text", (column) => column.notNull())
        .addColumn("last_position", "integer", (column) => column.notNull())
        .addColumn("first_seq", "integer", (column) => column.notNull())
        .addColumn("last_seq", "integer", (column) => column.notNull())
        .addColumn("first_ms", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addColumn("levels", "integer", (column) => column.notNull())
        .addColumn("raw_bytes", "integer", (column) => column.notNull())
        .addColumn("bytes", "integer", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("chunks_by_time")
        .on("chunks")
        .columns(["last_ms", "id", "first_ms", "levels", "server"])
        .execute();
      await db.schema.createIndex("chunks_by_position").on("chunks").column("last_position").execute();
      await db.schema
        .createTable("sources")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .execute();
      await db.schema
        .createTable("chunk_sources")
        .addColumn("source", "integer", (column) => column.notNull())
        .addColumn("chunk", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("chunk_sources_key", ["source", "last_ms", "chunk"])
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema.createIndex("chunk_sources_by_chunk").on("chunk_sources").column("chunk").execute();
      await db.schema
        .createTable("senders")
        .addColumn("server", "text", (column) => column.primaryKey())
        .addColumn("ranges", "text", (column) => column.notNull())
        .addColumn("batches", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("counters")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("value", "integer", (column) => column.notNull())
        .execute();
    },
  },
};
