/** Opening an SQLite file the way every store needs it, and bringing its tables up to date. */
import { Database } from "bun:sqlite";
import { Kysely, SqliteDialect } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { backUpBefore } from "./migration-backup.ts";

/** A connection for hot paths, and the same one with a query builder in front. */
export type Opened<Tables> = { readonly database: Database; readonly queries: Kysely<Tables> };

/**
 * Opens or makes `file` and runs the `migrations` that it has not seen. WAL with `synchronous=FULL`: a commit has
 * reached the disk when it returns (sqlite.org/pragma.html#pragma_synchronous). Before one that has tables is changed, it
 * is copied: `tell` hears where to.
 * @throws {Fault} `failed`, naming the file; `unavailable` when there is no room for the copy
 */
export async function openDatabase<Tables>(
  file: string,
  migrations: Readonly<Record<string, Migration>>,
  tell: (message: string) => void = () => undefined,
): Promise<Opened<Tables>> {
  let database: Database | undefined;
  try {
    database = new Database(file, { create: true, strict: true });
    for (const pragma of [
      "page_size = 8192",
      // space of deleted logs goes back to the disk in small steps
      "auto_vacuum = INCREMENTAL",
      "journal_mode = WAL",
      "synchronous = FULL",
      "busy_timeout = 5000",
      "cache_size = -16000",
      "foreign_keys = ON",
      // 32 MiB of log between checkpoints, and its file cut back to that after one
      "wal_autocheckpoint = 4000",
      "journal_size_limit = 67108864",
    ])
      database.run(`PRAGMA ${pragma}`);
    const queries = new Kysely<Tables>({ dialect: new SqliteDialect({ database: asBetterSqlite(database) }) });
    if (Object.keys(migrations).length > 0) {
      const next = nextOf(database, migrations);
      const copy = next === undefined ? null : backUpBefore(database, file, next);
      if (copy !== null) tell(`${file} is changed for this version; as it was before, it is in ${copy}`);
      await migrate({ database, queries }, migrations);
    }
    return { database, queries };
  } catch (error) {
    database?.close();
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `can't open the hub's database ${file}: ${reasonOf(error)}`, {
      hint: "Check the folder's rights and free space",
      cause: error,
    });
  }
}

/** The first migration that the database has not seen. */
function nextOf(database: Database, migrations: Readonly<Record<string, Migration>>): string | undefined {
  const isNew = database.query("SELECT 1 FROM sqlite_master WHERE name = 'kysely_migration'").get() === null;
  const run = isNew ? [] : database.query<{ name: string }, []>("SELECT name FROM kysely_migration").all();
  const seen = new Set(run.map(({ name }) => name));
  return Object.keys(migrations).find((name) => !seen.has(name));
}

/** All or nothing, with the note of what was run: Kysely itself uses no transaction here, but SQLite's DDL can be in one. */
async function migrate<Tables>(
  { database, queries }: Opened<Tables>,
  migrations: Readonly<Record<string, Migration>>,
): Promise<void> {
  const migrator = new Migrator({ db: queries, provider: { getMigrations: async () => ({ ...migrations }) } });
  database.run("BEGIN IMMEDIATE");
  try {
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
    database.run("COMMIT");
  } finally {
    if (database.inTransaction) database.run("ROLLBACK");
  }
}

/** The four methods that Kysely's SQLite driver calls. */
export function asBetterSqlite(database: Database) {
  return {
    close: () => database.close(),
    prepare(sql: string) {
      const statement = database.prepare(sql);
      const bind = (parameters: readonly unknown[]) => parameters as never[];
      return {
        reader: statement.columnNames.length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...bind(parameters)),
        run: (parameters: readonly unknown[]) => statement.run(...bind(parameters)),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...bind(parameters)),
      };
    },
  };
}
