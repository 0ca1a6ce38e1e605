/** What servers and sources are called, read from any process, while the hub runs or not. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Postgres } from "./postgres/connection.ts";
import { stateFault } from "./postgres/state-faults.ts";
import type { StateTables } from "./state-tables.ts";

export type SenderNames = {
  /** hostname of a server, or name of a source; the id itself when nobody has it any more */
  readonly nameOf: (id: string) => string;
  /** Ids of what is called so, or has this id. */
  readonly idsOf: (name: string) => readonly string[];
  readonly servers: readonly { readonly id: string; readonly hostname: string }[];
};

/** Reads the names in `state.db` of `dataDir`; there are none when it can't be read: logs may outlive it. */
export function readSenderNames(dataDir: string): SenderNames {
  return namesOf(readRows(join(dataDir, "state.db")));
}

/** Those of the hubs of a database. Rejects with a Fault. */
export async function readSharedNames(postgres: Postgres): Promise<SenderNames> {
  const db = postgres.queries<StateTables>();
  try {
    const servers = await db.selectFrom("servers").select(["id", "hostname as name"]).execute();
    return namesOf([...servers, ...(await db.selectFrom("sources").select(["id", "name"]).execute())]);
  } catch (error) {
    throw stateFault(error);
  }
}

type Named = { readonly id: string; readonly name: string };

function namesOf(rows: readonly Named[]): SenderNames {
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  return {
    nameOf: (id) => names.get(id) ?? id,
    idsOf: (name) => rows.filter((row) => row.id === name || row.name === name).map(({ id }) => id),
    servers: rows.map(({ id, name }) => ({ id, hostname: name })),
  };
}

function readRows(path: string): readonly Named[] {
  if (!existsSync(path)) return [];
  try {
    using database = new Database(path, { readonly: true, strict: true });
    database.run("PRAGMA busy_timeout = 5000");
    return database
      .query<Named, []>("SELECT id, hostname AS name FROM servers UNION ALL SELECT id, name FROM sources")
      .all();
  } catch {
    // a damaged one: then ids have to do, and `orion hub check` tells of it
    return [];
  }
}
