/** Where the hub keeps what it must not forget, for its own command line: told by settings, and by the hub's own note. */
import { join, resolve } from "node:path";

import { Fault } from "#src/protocol/fault.ts";
import type { HubSettings } from "./settings.ts";
import { readPlace } from "./store/clickhouse/address.ts";
import { refuseMoved } from "./store/migrate/mark.ts";
import { addressOf } from "./store/postgres/connection.ts";
import { type Stores, readStoresNote, refuseUntold } from "./store/whereabouts.ts";

export type Whereabouts = Pick<HubSettings, "dataDir" | "databaseUrl" | "clickhouseUrl">;

/**
 * The stores of the hub of a data folder.
 * @throws {Fault} `conflict`: the settings are not those of the hub; `invalid`: they make no sense
 */
export function storesOf({ dataDir, databaseUrl, clickhouseUrl }: Whereabouts): Stores {
  const stores = {
    postgres: databaseUrl === null ? null : addressOf(databaseUrl),
    clickhouse: clickhouseUrl === null ? null : readPlace(clickhouseUrl).address,
  };
  refuseUntold(dataDir, stores);
  if (databaseUrl === null) refuseMoved(dataDir);
  return stores;
}

/** `state and accounts in Postgres at db:5432, logs and metrics in ClickHouse at ch:8123` */
export function storesText({ postgres, clickhouse }: Stores): string {
  return [
    ...(postgres === null ? [] : [`state and accounts in Postgres at ${postgres}`]),
    ...(clickhouse === null ? [] : [`logs and metrics in ClickHouse at ${clickhouse}`]),
  ].join(", ");
}

/** @throws {Fault} `conflict`: the data folder holds a part of the hub at most; what to back up instead */
export function refuseBackup(settings: Whereabouts & Pick<HubSettings, "secretFile">): void {
  const stores = storesOf(settings);
  const { postgres, clickhouse } = stores;
  if (postgres === null && clickhouse === null) return;
  const { dataDir, secretFile } = settings;
  throw new Fault("conflict", `the hub has its ${storesText(stores)}: a backup of ${dataDir} would not hold them`, {
    hint: `${wayOf(stores, dataDir, secretFile ?? join(dataDir, "secret"))}; see docs/hub.md`,
  });
}

/** Logs first and the state last: what logs name was there before them. */
function wayOf({ postgres, clickhouse }: Stores, dataDir: string, secret: string): string {
  if (postgres === null) return `Take ClickHouse's BACKUP DATABASE, then stop the hub and copy ${dataDir}`;
  if (clickhouse === null) return `Stop the hub and copy ${dataDir}, then use pg_dump`;
  return `Take ClickHouse's BACKUP DATABASE first and pg_dump after it, and keep ${secret} with them; or bring everything into a folder with orion hub migrate --to sqlite:FOLDER, and back that up`;
}

/**
 * @param ownDir the folder of the hub, as the settings have it when nobody names another
 * @throws {Fault} `conflict`: the hub would not look at what is restored there
 */
export function refuseRestore(settings: Whereabouts, ownDir: string): void {
  const { dataDir, databaseUrl, clickhouseUrl } = settings;
  // another folder is no hub's yet: the settings are not about it
  const isOther = resolve(dataDir) !== resolve(ownDir) && readStoresNote(dataDir) === null;
  if (isOther || (databaseUrl === null && clickhouseUrl === null && readStoresNote(dataDir) === null)) return;
  const text = storesText(storesOf(settings));
  throw new Fault("conflict", `the hub has its ${text}: what is restored to ${dataDir} would not be the hub's`, {
    hint: "Bring their own backups back, with the hubs stopped. One of a data folder goes to another folder (--data-dir), and from there to the databases with orion hub migrate",
  });
}
