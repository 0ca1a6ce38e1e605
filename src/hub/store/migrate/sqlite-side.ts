/** An SQLite file as one side of a migration. */
import { existsSync } from "node:fs";

import { Database } from "bun:sqlite";
import { Kysely, SqliteDialect } from "kysely";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { asBetterSqlite } from "../database.ts";
import type { Side } from "./tables.ts";

export type SqliteSide = Side & { readonly database: Database; readonly close: () => void };

/**
 * Opens a file that is there; `readonly`: a hub may be working on it.
 * @throws {Fault} `failed`
 */
export function openSqliteSide(file: string, { readonly = false }: { readonly readonly?: boolean } = {}): SqliteSide {
  if (!existsSync(file)) throw new Fault("not-found", `${file} is not there`);
  try {
    const database = new Database(file, { readonly, readwrite: !readonly, create: false, strict: true });
    database.run("PRAGMA busy_timeout = 5000");
    if (!readonly) database.run("PRAGMA foreign_keys = ON");
    const queries = new Kysely<Record<string, Record<string, unknown>>>({
      dialect: new SqliteDialect({ database: asBetterSqlite(database) }),
    });
    return { queries, engine: "sqlite", database, close: () => database.close() };
  } catch (error) {
    throw new Fault("failed", `can't open ${file}: ${reasonOf(error)}`, { cause: error });
  }
}
