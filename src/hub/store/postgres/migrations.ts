/** Bringing a database's tables up to date: by one hub at a time, all or nothing. */
import { type Kysely, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { makeLedgerTables } from "../clickhouse/ledger-tables.ts";
import { makeClusterTables } from "../cluster/tables.ts";
import { makeErrorLogTables } from "../errors/shared-tables.ts";
import { stateMigrations } from "../state-migrations.ts";
import type { StateTables } from "../state-tables.ts";
import type { Postgres } from "./connection.ts";
import { faultOf, sqlstateOf } from "./faults.ts";

/** What there is beside the tables of the state that SQLite has, too. */
export type PostgresStateTables = StateTables & {
  /** the newest position of each list; whoever adds to one holds its row until the commit, so that positions are in its order */
  positions: { list: string; position: number };
  /** how many transactions each writer has committed; see commits.ts */
  state_writers: { id: string; n: number; at_ms: number };
};

/** Names go on where those of the state end; a later one of either comes after all of these. */
export const postgresMigrations: Readonly<Record<string, Migration>> = {
  ...stateMigrations,
  "0006-positions-and-writers": { up: makePositions },
  "0007-cluster": { up: makeClusterTables },
  "0008-error-log": { up: makeErrorLogTables },
  "0009-ledger": { up: makeLedgerTables },
};

async function makePositions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("positions")
    .addColumn("list", "text", (column) => column.primaryKey())
    .addColumn("position", "bigint", (column) => column.notNull())
    .execute();
  await (db as Kysely<PostgresStateTables>)
    .insertInto("positions")
    .values(["audit", "events"].map((list) => ({ list, position: 0 })))
    .execute();
  await db.schema
    .createTable("state_writers")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("n", "bigint", (column) => column.notNull())
    .addColumn("at_ms", "bigint", (column) => column.notNull())
    .execute();
  // what a hub that is alone looks after itself
  await db.schema
    .createIndex("projects_by_name")
    .on("projects")
    .unique()
    .columns(["organization_id", sql`lower(name)`])
    .execute();
  await db.schema.createIndex("servers_by_project").on("servers").column("project_id").execute();
  await db.schema.createIndex("events_by_type").on("events").columns(["type", "server", "position"]).execute();
}

/** What one CREATE TABLE IF NOT EXISTS meets that another hub is in the middle of. */
const racing = /^(?:23505|42P07|40001|XX000)$/;
const maxTries = 5;

/**
 * Runs the migrations that the database has not seen. Rejects with a Fault `failed` when it is of a newer version, or a
 * migration fails: then nothing was changed.
 */
export async function migratePostgres(postgres: Postgres): Promise<void> {
  for (let tries = 1; ; tries++) {
    const error = await postgres.exclusively("state migrations", migrate).catch((thrown: unknown) => thrown);
    if (error === undefined) return;
    // other parts see to their own tables, too
    if (tries < maxTries && racing.test(sqlstateOf(error) ?? "")) continue;
    const { code } = faultOf(error);
    if (code === "unavailable") throw faultOf(error);
    const isNewer = /previously executed migration .* is missing/.test(reasonOf(error));
    throw new Fault("failed", `can't bring the database at ${postgres.address} up to date: ${reasonOf(error)}`, {
      hint: isNewer
        ? "A newer Orion has changed it: start that one, or bring back a backup from before"
        : "Nothing was changed; see the log of PostgreSQL",
      cause: error,
    });
  }
}

/** @returns why it could not; undefined: it could */
async function migrate(db: Kysely<unknown>): Promise<unknown> {
  const provider = { getMigrations: async () => ({ ...postgresMigrations }) };
  return (await new Migrator({ db, provider }).migrateToLatest()).error;
}
