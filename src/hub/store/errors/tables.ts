/** Tables of `errors.db`. */
import { type Generated, type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

import type { GroupRow } from "#src/protocol/error-rows.ts";

const withoutRowid = sql`without rowid`;

export type GroupTable = {
  id: number;
  project: string;
  fingerprint: string;
  kind: GroupRow["kind"];
  level: string;
  format: string;
  type: string | null;
  value: string;
  culprit: string | null;
  explanation: string;
  first_ms: number;
  last_ms: number;
  count: number;
  state: GroupRow["state"];
  decided_at_ms: number | null;
  decided_by: string | null;
  resolved_in: string | null;
  ignored_until_ms: number | null;
  ignored_until_count: number | null;
  regressed_at_ms: number | null;
};

export type ErrorTables = {
  groups: GroupTable;
  variants: { id: number; fingerprint: string; variant: string; group_id: number; count: number };
  counts: {
    variant: number;
    hour: number;
    server: number;
    source: number;
    release: number;
    count: number;
    last_ms: number;
  };
  names: { id: Generated<number>; name: string };
};

export const errorMigrations: Readonly<Record<string, Migration>> = {
  "0001-groups": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("groups")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("project", "text", (column) => column.notNull())
        .addColumn("fingerprint", "text", (column) => column.notNull().unique())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("level", "text", (column) => column.notNull())
        .addColumn("format", "text", (column) => column.notNull())
        .addColumn("type", "text")
        .addColumn("value", "text", (column) => column.notNull())
        .addColumn("culprit", "text")
        .addColumn("explanation", "text", (column) => column.notNull())
        .addColumn("first_ms", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addColumn("count", "integer", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("decided_at_ms", "integer")
        .addColumn("decided_by", "text")
        .addColumn("resolved_in", "text")
        .addColumn("ignored_until_ms", "integer")
        .addColumn("ignored_until_count", "integer")
        .addColumn("regressed_at_ms", "integer")
        .execute();
      // not by project: SQLite does not merge the orders of several of them, and would sort all groups for a page
      for (const column of ["last_ms", "first_ms", "count"]) {
        await db.schema.createIndex(`groups_by_${column}`).on("groups").columns([column, "id"]).execute();
      }
      await db.schema
        .createIndex("groups_due")
        .on("groups")
        .columns(["ignored_until_ms"])
        .where(sql.ref("ignored_until_ms"), "is not", null)
        .execute();
      // which group an unknown variant of a fingerprint belongs to
      await db.schema
        .createTable("routes")
        .addColumn("fingerprint", "text", (column) => column.primaryKey())
        .addColumn("group_id", "integer", (column) => column.notNull())
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema.createIndex("routes_by_group").on("routes").columns(["group_id"]).execute();
      await db.schema
        .createTable("variants")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("fingerprint", "text", (column) => column.notNull())
        .addColumn("variant", "text", (column) => column.notNull())
        .addColumn("group_id", "integer", (column) => column.notNull())
        .addColumn("count", "integer", (column) => column.notNull())
        .addColumn("first_ms", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addUniqueConstraint("variants_key", ["fingerprint", "variant"])
        .execute();
      await db.schema.createIndex("variants_by_group").on("variants").columns(["group_id"]).execute();
      // servers, sources and releases by a small number
      await db.schema
        .createTable("names")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("name", "text", (column) => column.notNull().unique())
        .execute();
      // hour 0 holds what is older than logs are kept
      await db.schema
        .createTable("counts")
        .addColumn("variant", "integer", (column) => column.notNull())
        .addColumn("hour", "integer", (column) => column.notNull())
        .addColumn("server", "integer", (column) => column.notNull())
        .addColumn("source", "integer", (column) => column.notNull())
        .addColumn("release", "integer", (column) => column.notNull())
        .addColumn("count", "integer", (column) => column.notNull())
        .addColumn("last_ms", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("counts_key", ["variant", "hour", "server", "source", "release"])
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema.createIndex("counts_by_hour").on("counts").columns(["hour"]).execute();
      await db.schema
        .createTable("samples")
        // never given twice: people split by it
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("group_id", "integer", (column) => column.notNull())
        .addColumn("variant", "integer", (column) => column.notNull())
        .addColumn("at_ms", "integer", (column) => column.notNull())
        .addColumn("position", "integer", (column) => column.notNull())
        .addColumn("number", "integer", (column) => column.notNull())
        .addColumn("last", "integer", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("samples_by_group").on("samples").columns(["group_id", "last", "number"]).execute();
      await db.schema.createIndex("samples_by_age").on("samples").columns(["at_ms"]).execute();
      await db.schema
        .createTable("crashes")
        .addColumn("event", "integer", (column) => column.primaryKey())
        .addColumn("group_id", "integer", (column) => column.notNull())
        .addColumn("variant", "integer", (column) => column.notNull())
        .addColumn("server", "text", (column) => column.notNull())
        .addColumn("source", "text", (column) => column.notNull())
        .addColumn("at_ms", "integer", (column) => column.notNull())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("how", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("crashes_by_group").on("crashes").columns(["group_id", "at_ms"]).execute();
      await db.schema
        .createTable("templates")
        .addColumn("owner", "text", (column) => column.notNull())
        .addColumn("first", "text", (column) => column.notNull())
        .addColumn("words", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("templates_key", ["owner", "first"])
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema
        .createTable("releases")
        .addColumn("project", "text", (column) => column.notNull())
        .addColumn("release", "text", (column) => column.notNull())
        .addColumn("first_ms", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("releases_key", ["project", "release"])
        .modifyEnd(withoutRowid)
        .execute();
      await db.schema
        .createTable("follower")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("resume", "text", (column) => column.notNull())
        .execute();
    },
  },
};
