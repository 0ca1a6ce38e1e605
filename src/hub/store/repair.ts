/** Mending the databases of a hub that does not run. */
import { Database } from "bun:sqlite";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { removeIfThere, syncFolder } from "#src/lib/files.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { withSideFiles } from "./backup-manifest.ts";
import { openBlocks } from "./blocks/blocks.ts";
import { attempt as attemptRead } from "./blocks/damaged.ts";
import { settle, settleDisputes } from "./blocks/disputes.ts";
import { type Salvaged, salvage } from "./blocks/salvage.ts";
import { blockMigrations } from "./blocks/tables.ts";
import { databasesIn, isDamage, ownMigrations, structureProblems } from "./check.ts";
import { headerProblem, mendHeader } from "./header.ts";
import { lockFolder } from "./lock.ts";
import type { Repaired } from "./log-port.ts";
import { mendList } from "./migrations-list.ts";
import { giveToOwner } from "./replacement.ts";
import { hasMoreThan, hasSchemaOf, mendSchema, schemaProblems } from "./schema-check.ts";

/** What became of a database whose structure was damaged. */
export type StructureRepair = {
  readonly file: string;
  /**
   * rewritten: its header, schema or list of migrations was written again; reindexed: indexes were made anew; rebuilt: all
   * that could be read is in a new file; broken: nothing helped, or it is a newer Orion's
   */
  readonly outcome: "rewritten" | "reindexed" | "rebuilt" | "broken";
  /** what was wrong, in SQLite's words; of `broken`: what still is */
  readonly problems: readonly string[];
  /** where the damaged file is now; null: it is the one that was mended */
  readonly aside: string | null;
  /** of a rebuilt log: what of it is in the new file, and what is not */
  readonly salvaged: Salvaged | null;
};

/** `logs`: what became of the log's blocks; null: there is no log, or it can't be read. */
type Migrations = NonNullable<(typeof ownMigrations)[string]>;

export type DataRepair = { readonly structure: readonly StructureRepair[]; readonly logs: Repaired | null };

/**
 * Mends what can be mended in `dataDir`. What can't be read any more is told, and kept aside in a file or in the log's
 * table `quarantine`. Rejects with a Fault: `conflict` when a hub runs there, `unavailable` when the disk is full.
 * @param own names of the databases that hold something of the hub; left out: all
 */
export async function repairData(dataDir: string, clock: Clock, own?: readonly string[]): Promise<DataRepair> {
  const unlock = lockFolder(dataDir);
  try {
    const structure: StructureRepair[] = [];
    for (const file of databasesIn(dataDir, own)) {
      const mended = await mendStructure(dataDir, file, clock);
      if (mended !== null) structure.push(mended);
    }
    const broken = structure.some(({ file, outcome }) => file === "logs.db" && outcome === "broken");
    if (broken || !databasesIn(dataDir, own).includes("logs.db")) return { structure, logs: null };
    const failures: unknown[] = [];
    const blocks = await openBlocks(dataDir, clock, (error) => void failures.push(error));
    try {
      return { structure, logs: await blocks.repair() };
    } finally {
      blocks.close();
    }
  } finally {
    for (const file of databasesIn(dataDir, own)) giveToOwner(dataDir, join(dataDir, file));
    unlock();
  }
}

async function mendStructure(dataDir: string, file: string, clock: Clock): Promise<StructureRepair | null> {
  const path = join(dataDir, file);
  const migrations = ownMigrations[file];
  const problems = await problemsOf(path, migrations);
  if (problems.length === 0) return null;
  const mended = { file, problems, aside: null, salvaged: null };
  if (isNewer(path, migrations)) return { ...mended, outcome: "broken" };
  // what is written there is right for every database of ours, whatever else is damaged
  mendHeader(path);
  if (migrations !== undefined) {
    await attempt(() => mendSchema(path, migrations));
    await attempt(async () => mendListIn(path, migrations, clock.now()));
  }
  if ((await problemsOf(path, migrations)).length === 0) return { ...mended, outcome: "rewritten" };
  await attempt(async () => reindex(path, file === "logs.db"));
  const left = await problemsOf(path, migrations);
  if (left.length === 0) return { ...mended, outcome: "reindexed" };
  if (file !== "logs.db") return { ...mended, outcome: "broken", problems: left };
  const rebuilt = join(dataDir, "logs.db.rebuilt");
  for (const side of ["", "-wal", "-shm"]) removeIfThere(rebuilt + side);
  const salvaged = await salvage(path, rebuilt, clock.now());
  // a file of which nothing can be read, and that may be another's, is worth more where it is
  if (salvaged.rows === 0 && !(await isOurs(path))) return { ...mended, outcome: "broken", problems: left };
  const aside = join(dataDir, `logs.db.damaged-${timestamp(clock.now()).replaceAll(":", "-")}`);
  for (const part of withSideFiles(dataDir, "logs.db")) {
    if (existsSync(part)) renameSync(part, part.replace(path, aside));
  }
  renameSync(rebuilt, path);
  syncFolder(dataDir);
  return { ...mended, outcome: "rebuilt", aside, salvaged };
}

async function problemsOf(path: string, migrations: Migrations | undefined): Promise<readonly string[]> {
  try {
    using database = new Database(path, { readonly: true, strict: true });
    return [headerProblem(path) ?? [], await schemaProblems(database, migrations), structureProblems(database)].flat();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return [reasonOf(error)];
  }
}

/**
 * Makes all indexes anew out of their tables, where that is all there is to mend: of a table that has lost rows its indexes
 * know more.
 */
function reindex(path: string, isLog: boolean): void {
  using database = new Database(path, { readwrite: true, create: false, strict: true });
  database.run("BEGIN IMMEDIATE");
  try {
    const settled = (isLog ? attemptRead(() => settleDisputes(database)) : undefined) ?? [];
    database.run("REINDEX");
    settle(database, settled);
    if (structureProblems(database).length === 0) database.run("COMMIT");
  } finally {
    if (database.inTransaction) database.run("ROLLBACK");
  }
}

function mendListIn(path: string, migrations: Migrations, nowMs: number): void {
  using database = new Database(path, { readwrite: true, create: false, strict: true });
  mendList(database, Object.keys(migrations).toSorted(), nowMs);
}

/** Whether a newer Orion has made the database: it is not this one's to mend. */
function isNewer(path: string, migrations: Migrations | undefined): boolean {
  if (migrations === undefined) return false;
  try {
    using database = new Database(path, { readonly: true, strict: true });
    return hasMoreThan(database, migrations);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

/** Whether the tables of a log are in the file, whatever can be read of them. */
async function isOurs(path: string): Promise<boolean> {
  try {
    using database = new Database(path, { readonly: true, strict: true });
    return await hasSchemaOf(database, blockMigrations);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

/** What is tried on a damaged file may fail on its damage; whether it helped is looked at afterwards. */
async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDamage(error) && !isConstraint(error)) throw error;
  }
}

/** Rows that a table has twice: its unique index can't be made. */
function isConstraint(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_CONSTRAINT");
}
