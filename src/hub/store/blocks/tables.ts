/** Tables of `logs.db` for blocks, beside those in which deliveries lie as they came (logs-tables.ts). */
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

import { logMigrations } from "../logs-tables.ts";

const withoutRowid = sql`without rowid`;

/** What is big lies in tables of its own: listing blocks then reads a few pages, and a filter is read without the body. */
export const blockMigrations: Readonly<Record<string, Migration>> = {
  ...logMigrations,
  "0002-blocks": {
    async up(db: Kysely<unknown>) {
      // CRC-32 of a delivery's body; null: it was written before there were any
      await db.schema.alterTable("chunks").addColumn("crc", "integer").execute();
      await db.schema
        .createTable("origins")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .execute();
      await db.schema
        .createTable("blocks")
        // never given twice: readers keep what they opened by it
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("origin", "integer", (column) => column.notNull())
        // 0: several; block_sources says which
        .addColumn("source", "integer", (column) => column.notNull())
        .addColumn("lines", "integer", (column) => column.notNull())
        .addColumn("first_ms", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addColumn("first_position", "integer", (column) => column.notNull())
        .addColumn("last_position", "integer", (column) => column.notNull())
        .addColumn("levels", "integer", (column) => column.notNull())
        .addColumn("streams", "integer", (column) => column.notNull())
        .addColumn("raw_bytes", "integer", (column) => column.notNull())
        // of body and filters
        .addColumn("bytes", "integer", (column) => column.notNull())
        // worth being merged with its neighbours
        .addColumn("small", "integer", (column) => column.notNull())
        // zstd level of the body
        .addColumn("pressed", "integer", (column) => column.notNull())
        .addColumn("body_crc", "integer", (column) => column.notNull())
        // of everything else
        .addColumn("crc", "integer", (column) => column.notNull())
        .addColumn("counts", "blob", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("blocks_by_end").on("blocks").columns(["last_ms", "id"]).execute();
      await db.schema.createIndex("blocks_by_begin").on("blocks").columns(["first_ms", "id"]).execute();
      await db.schema
        .createIndex("blocks_by_position")
        .on("blocks")
        .columns(["last_position", "first_position"])
        .execute();
      await db.schema.createIndex("blocks_by_origin").on("blocks").columns(["origin", "last_ms"]).execute();
      await db.schema
        .createIndex("blocks_small")
        .on("blocks")
        .columns(["origin", "last_ms"])
        .where(sql.ref("small"), "=", sql.lit(1))
        .execute();
      await db.schema
        .createIndex("blocks_light")
        .on("blocks")
        .columns(["last_ms"])
        .where(sql.ref("pressed"), "<", sql.lit(9))
        .execute();
      await db.schema
        .createTable("block_sources")
        .addColumn("source", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addColumn("block", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("block_sources_key", ["source", "last_ms", "block"])
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema.createIndex("block_sources_by_block").on("block_sources").column("block").execute();
      for (const [table, column] of [
        ["block_words", "filter"],
        ["block_numbers", "filter"],
        ["block_bodies", "body"],
      ] as const) {
        await db.schema
          .createTable(table)
          .addColumn("block", "integer", (id) => id.primaryKey())
          .addColumn(column, "blob", (blob) => blob.notNull())
          .execute();
      }
      await db.schema
        .createTable("quarantine")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("at_ms", "integer", (column) => column.notNull())
        .addColumn("problem", "text", (column) => column.notNull())
        // the damaged row as JSON, its body apart
        .addColumn("row", "text", (column) => column.notNull())
        .addColumn("body", "blob")
        .execute();
    },
  },
  "0003-sender-checksums": {
    async up(db: Kysely<unknown>) {
      // null: it was written before there were any
      await db.schema.alterTable("senders").addColumn("crc", "integer").execute();
    },
  },
};
