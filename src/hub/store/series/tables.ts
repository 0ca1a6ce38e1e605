/** Tables of `metrics.db`. */
import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

export const seriesMigrations: Readonly<Record<string, Migration>> = {
  "0001-series": {
    async up(db: Kysely<unknown>) {
      // servers and sources by a small number
      await db.schema
        .createTable("origins")
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .execute();
      // samples as they came in, until they are in blocks
      await db.schema
        .createTable("journal")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("body", "blob", (column) => column.notNull())
        .execute();
      // of one origin and tier, a block lies within one period of the tier; the newer has the greater id
      await db.schema
        .createTable("blocks")
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("origin", "integer", (column) => column.notNull())
        .addColumn("tier", "integer", (column) => column.notNull())
        .addColumn("period", "integer", (column) => column.notNull())
        .addColumn("first_s", "integer", (column) => column.notNull())
        .addColumn("last_s", "integer", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .execute();
      await db.schema
        .createIndex("blocks_by_origin")
        .on("blocks")
        .columns(["origin", "tier", "period", "first_s", "last_s"])
        .execute();
      await db.schema.createIndex("blocks_by_age").on("blocks").columns(["tier", "period"]).execute();
      // hours to roll up and periods to pack, when their time has come
      await db.schema
        .createTable("due")
        .addColumn("origin", "integer", (column) => column.notNull())
        .addColumn("work", "integer", (column) => column.notNull())
        .addColumn("start_s", "integer", (column) => column.notNull())
        .addColumn("at_s", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("due_key", ["origin", "work", "start_s"])
        .execute();
      await db.schema.createIndex("due_by_time").on("due").columns(["at_s"]).execute();
    },
  },
};
