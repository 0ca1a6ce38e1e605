/** The tables by which hubs that share a database know of each other. Times are milliseconds by the database's clock. */
import { type Kysely, type RawBuilder, sql } from "kysely";

import { type Postgres, faultOf, isMakingTwice } from "../postgres/connection.ts";

export type ClusterTables = {
  /** hubs that live; whoever is not here is gone */
  hubs: {
    id: string;
    /** of the machine, for people */
    host: string;
    started_at: number;
    expires_at: number;
  };
  /** what exactly one hub does, and which one; null: nobody */
  duties: { name: string; hub: string | null };
  /** what each commit of a hub has changed; n counts from 1 without gaps */
  changes: { hub: string; n: number; at: number; body: string };
  /** the last n of each hub */
  change_heads: { hub: string; n: number; at: number };
  /** what all hubs must have alike, such as the fingerprint of their secret */
  hub_agreements: { name: string; value: string };
};

/** Makes those that are not there. */
export async function makeClusterTables(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("hubs")
    .ifNotExists()
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("host", "text", (column) => column.notNull())
    .addColumn("started_at", "bigint", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("duties")
    .ifNotExists()
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("hub", "text")
    .execute();
  await db.schema
    .createTable("changes")
    .ifNotExists()
    .addColumn("hub", "text", (column) => column.notNull())
    .addColumn("n", "bigint", (column) => column.notNull())
    .addColumn("at", "bigint", (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("changes_pk", ["hub", "n"])
    .execute();
  await db.schema
    .createTable("change_heads")
    .ifNotExists()
    .addColumn("hub", "text", (column) => column.primaryKey())
    .addColumn("n", "bigint", (column) => column.notNull())
    .addColumn("at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("hub_agreements")
    .ifNotExists()
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("value", "text", (column) => column.notNull())
    .execute();
}

const maxTries = 5;
/** The one of the state's migrations, which make them, too. */
const lock = "state migrations";

/** Makes those that are not there, with several hubs starting at once. */
export async function ensureClusterTables(postgres: Postgres): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await postgres.exclusively(lock, makeClusterTables);
    } catch (error) {
      if (tries >= maxTries || !isMakingTwice(error)) throw faultOf(error);
    }
  }
}

/** The database's clock, milliseconds since the epoch. */
export const databaseNow: RawBuilder<number> = sql<number>`CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)`;
