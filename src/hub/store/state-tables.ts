/** Tables of `state.db`. */
import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

export type StateTables = {
  servers: {
    id: string;
    hostname: string;
    created_at_ms: number;
    digest: Uint8Array | null;
    version: string | null;
    last_seen_ms: number | null;
    heartbeat: string | null;
  };
  events: { position: number; server: string; at_ms: number; type: string; body: string };
  senders: { server: string; ranges: string; batches: string };
};

export const stateMigrations: Readonly<Record<string, Migration>> = {
  "0001-servers-and-events": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("servers")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("hostname", "text", (column) => column.notNull().unique())
        .addColumn("created_at_ms", "integer", (column) => column.notNull())
        .addColumn("digest", "blob")
        .addColumn("version", "text")
        .addColumn("last_seen_ms", "integer")
        .addColumn("heartbeat", "text")
        .execute();
      await db.schema
        .createTable("events")
        // AUTOINCREMENT: a position is never given twice, also after the newest event was deleted
        .addColumn("position", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("server", "text", (column) => column.notNull())
        .addColumn("at_ms", "integer", (column) => column.notNull())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("events_by_time").on("events").columns(["at_ms", "position"]).execute();
      await db.schema.createIndex("events_by_server").on("events").columns(["server", "at_ms", "position"]).execute();
      await db.schema
        .createTable("senders")
        .addColumn("server", "text", (column) => column.primaryKey())
        .addColumn("ranges", "text", (column) => column.notNull())
        .addColumn("batches", "text", (column) => column.notNull())
        .execute();
    },
  },
};
