/** Whether a hub's databases are sound, read from any process, while the hub runs or not. Nothing is changed. */
import { Database } from "bun:sqlite";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import type { Migration } from "kysely/migration";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { dataParts } from "./backup-manifest.ts";
import { checkAll, readingWorld } from "./blocks/integrity.ts";
import { blockMigrations } from "./blocks/tables.ts";
import { headerProblem } from "./header.ts";
import type { Checked } from "./log-port.ts";
import { schemaProblems } from "./schema-check.ts";
import { stateMigrations } from "./state-migrations.ts";

/** Problems of a file's structure that are told one by one. */
const mostTold = 100;

export type Damage =
  /** of the file's structure: tables, indexes, free pages, in SQLite's words */
  | { readonly kind: "structure"; readonly file: string; readonly problem: string }
  | ({ readonly kind: "block"; readonly file: string } & Checked & { readonly problem: string });

export type CheckStep =
  | { readonly kind: "begin"; readonly file: string; readonly bytes: number }
  /** blocks of the log looked at, of those that were there when it began */
  | { readonly kind: "progress"; readonly file: string; readonly done: number; readonly total: number }
  | { readonly kind: "damage"; readonly damage: Damage };

/**
 * Checks every database in `dataDir`: its structure by SQLite's means, and the checksums of every block of the log. `own`:
 * names of those that hold something of the hub (whereabouts.ts); left out: all. Rejects with a Fault `not-found` when there is no
 * hub's data.
 */
export async function* checkData(dataDir: string, own?: readonly string[]): AsyncGenerator<CheckStep> {
  const files = databasesIn(dataDir, own);
  if (files.length === 0) {
    throw new Fault("not-found", `there is no hub's data in ${dataDir}`, {
      hint: "Name the hub's folder with --data-dir",
    });
  }
  for (const file of files) {
    const path = join(dataDir, file);
    yield { kind: "begin", file, bytes: statSync(path).size };
    try {
      using database = openToRead(path);
      const schema = await schemaProblems(database, ownMigrations[file]);
      const structure = [headerProblem(path) ?? [], schema, structureProblems(database)].flat();
      for (const problem of structure) yield { kind: "damage", damage: { kind: "structure", file, problem } };
      const isReadable = file === "logs.db" && schema.length === 0 && hasBlocks(database);
      if (isReadable) yield* checkBlocks(database, file, structure.length === 0);
    } catch (error) {
      if (!isDamage(error)) throw error;
      yield { kind: "damage", damage: { kind: "structure", file, problem: reasonOf(error) } };
    }
  }
}

/** Of databases whose tables are made by our own migrations. */
export const ownMigrations: Readonly<Record<string, Readonly<Record<string, Migration>>>> = {
  "state.db": stateMigrations,
  "logs.db": blockMigrations,
};

const databases: readonly string[] = dataParts.filter((part) => part.endsWith(".db"));

/** Names of the databases that a data folder has, of `own` or of all that a hub without other stores may have. */
export function databasesIn(dataDir: string, own: readonly string[] = databases): readonly string[] {
  return own.filter((file) => existsSync(join(dataDir, file)));
}

/** What SQLite says is wrong with the file's pages, tables and indexes; empty: nothing. */
export function structureProblems(database: Database): readonly string[] {
  const rows = database.query<{ integrity_check: string }, []>(`PRAGMA integrity_check(${mostTold})`).all();
  return rows.map((row) => row.integrity_check).filter((text) => text !== "ok");
}

/** Whether an error says that a file is damaged, rather than that it can't be read. */
export function isDamage(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // a header with another format number is an error like any other to SQLite
  const isFormat = code === "SQLITE_ERROR" && reasonOf(error).includes("unsupported file format");
  return code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB" || isFormat;
}

async function* checkBlocks(database: Database, file: string, sound: boolean): AsyncGenerator<CheckStep> {
  const total =
    database.query<{ n: number }, []>("SELECT (SELECT count(*) FROM blocks) + (SELECT count(*) FROM chunks) AS n").get()
      ?.n ?? 0;
  let done = 0;
  try {
    for await (const { block, problem, lines, firstMs, lastMs, serverId, sources } of checkAll(
      readingWorld(database, async () => undefined),
    )) {
      if (problem !== null) {
        const found = { block, problem, lines, firstMs, lastMs, serverId, sources };
        yield { kind: "damage", damage: { kind: "block", file, ...found } };
      }
      yield { kind: "progress", file, done: ++done, total: Math.max(done, total) };
    }
  } catch (error) {
    // told already, as what is wrong with its structure
    if (!isDamage(error) || sound) throw error;
  }
}

/** A store of the time before there were blocks has none to check. */
function hasBlocks(database: Database): boolean {
  return database.query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'quarantine'").get() !== null;
}

function openToRead(path: string): Database {
  const database = new Database(path, { readonly: true, strict: true });
  database.run("PRAGMA busy_timeout = 5000");
  return database;
}
