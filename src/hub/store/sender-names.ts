/** What servers and sources are called, read from any process, while the hub runs or not. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";

export type SenderNames = {
  /** hostname of a server, or name of a source; the id itself when nobody has it any more */
  readonly nameOf: (id: string) => string;
  /** Ids of what is called so, or has this id. */
  readonly idsOf: (name: string) => readonly string[];
  readonly servers: readonly { readonly id: string; readonly hostname: string }[];
};

/** Reads the names in `state.db` of `dataDir`; there are none when it can't be read: logs may outlive it. */
export function readSenderNames(dataDir: string): SenderNames {
  const rows = readRows(join(dataDir, "state.db"));
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  return {
    nameOf: (id) => names.get(id) ?? id,
    idsOf: (name) => rows.filter((row) => row.id === name || row.name === name).map(({ id }) => id),
    servers: rows.map(({ id, name }) => ({ id, hostname: name })),
  };
}

function readRows(path: string): readonly { readonly id: string; readonly name: string }[] {
  if (!existsSync(path)) return [];
  try {
    using database = new Database(path, { readonly: true, strict: true });
    database.run("PRAGMA busy_timeout = 5000");
    return database
      .query<{ id: string; name: string }, []>(
        "SELECT id, hostname AS name FROM servers UNION ALL SELECT id, name FROM sources",
      )
      .all();
  } catch {
    // a damaged one: then ids have to do, and `orion hub check` tells of it
    return [];
  }
}
