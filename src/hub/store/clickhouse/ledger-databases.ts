/** The databases in which a ledger can be: the one that hubs share, or a file of a hub that is alone. */
import { join } from "node:path";

import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

import { storageFault } from "../commits.ts";
import { openDatabase } from "../database.ts";
import { faultOf, isCollision } from "../postgres/faults.ts";
import type { LedgerDatabase } from "./ledger.ts";
import { type LedgerTables, makeLedgerTables } from "./ledger-tables.ts";

/** Migrations of `ledger.db`. In Postgres the tables are made with those of the state. */
export const ledgerMigrations: Readonly<Record<string, Migration>> = {
  "0001-ledger": { up: makeLedgerTables },
};

export type OpenedLedger = LedgerDatabase & { readonly close: () => void };

/** In Postgres; its tables are there. */
export function postgresLedger(queries: Kysely<LedgerTables>): LedgerDatabase {
  return { queries, locks: true, isCollision, faultOf };
}

/** `ledger.db` below `folder`, for a hub that keeps its state in SQLite and its logs in ClickHouse. */
export async function openSqliteLedger(folder: string, tell?: (message: string) => void): Promise<OpenedLedger> {
  const { database, queries } = await openDatabase<LedgerTables>(join(folder, "ledger.db"), ledgerMigrations, tell);
  return {
    queries,
    locks: false,
    isCollision: () => false,
    faultOf: storageFault,
    close: () => database.close(),
  };
}
