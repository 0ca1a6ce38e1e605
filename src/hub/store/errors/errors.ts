/** The embedded store of error groups: `errors.db`. One connection, one writer. */
import type { Database } from "bun:sqlite";
import { join } from "node:path";

import type { TemplateRow } from "#src/protocol/error-rows.ts";
import { storageFault } from "../commits.ts";
import { type Opened, openDatabase } from "../database.ts";
import { createListing } from "./listing.ts";
import type { ErrorStore } from "./port.ts";
import { createRetention } from "./retention.ts";
import { readMap, takeOver } from "./regrouping.ts";
import { createLookups } from "./rows.ts";
import { type ErrorTables, errorMigrations } from "./tables.ts";
import { createWriting } from "./writing.ts";

/** Pages given back to the file system after old things were deleted. */
const vacuumPages = 2000;

/**
 * Opens `errors.db` below `folder`, or `name`; `tell` hears of a copy that is made before its tables are changed. Rejects with
 * a Fault `failed` when it can't be opened.
 */
export async function openErrorStore(
  folder: string,
  name = "errors.db",
  tell?: (message: string) => void,
): Promise<ErrorStore> {
  const opened = await openDatabase<ErrorTables>(join(folder, name), errorMigrations, tell);
  return createErrorStore(opened, (work) => transact(opened.database, work));
}

/** Runs `work` in a transaction of its own, or in one that is open already. */
export type Transact = <T>(work: () => T) => T;

/** `forgetNames`: a transaction around several writes was rolled back. */
export type OpenedErrorStore = ErrorStore & { forgetNames(): void };

/** The store over a database that is open; closing it closes that. */
export function createErrorStore(opened: Opened<ErrorTables>, inTransaction: Transact): OpenedErrorStore {
  const { database } = opened;
  // groups that are in use are few
  database.run("PRAGMA cache_size = -8000");
  const writing = createWriting(database);
  const retention = createRetention(database);
  const resume = database.prepare<{ resume: string }, []>("SELECT resume FROM follower");
  const templates = database.prepare<TemplateRow, []>("SELECT owner, first, words FROM templates");
  const places = database.prepare<{ position: number; variant: number }, []>("SELECT position, variant FROM samples");
  const ids = database.prepare<{ groups: number; variants: number }, []>(
    "SELECT (SELECT coalesce(max(id), 0) FROM groups) AS groups, (SELECT coalesce(max(id), 0) FROM variants) AS variants",
  );
  const sizes = database.prepare<{ groups: number; samples: number }, []>(
    "SELECT (SELECT count(*) FROM groups) AS groups, (SELECT count(*) FROM samples) AS samples",
  );

  function transact<T>(work: () => T): T {
    try {
      return inTransaction(work);
    } catch (error) {
      // names that it has added are gone with it
      writing.forgetNames();
      throw error;
    }
  }

  return {
    ...createLookups(database),
    ...createListing(opened),
    resume: () => resume.get()?.resume ?? null,
    templates: () => templates.all(),
    nextIds() {
      const { groups, variants } = ids.get() ?? { groups: 0, variants: 0 };
      return { group: groups + 1, variant: variants + 1 };
    },
    write: (writes) => transact(() => writing.write(writes)),
    merge: (from, into) => transact(() => writing.merge(from, into)),
    split: (variant, from, made) => transact(() => writing.split(variant, from, made)),
    prune(limits) {
      const pruned = transact(() => retention(limits));
      writing.forgetNames();
      if (pruned.samples + pruned.groups > 0) database.run(`PRAGMA incremental_vacuum(${vacuumPages})`);
      return pruned;
    },
    samplePlaces: () => new Map(places.all().map(({ position, variant }) => [position, variant])),
    map: () => readMap(database),
    takeOver(plan) {
      // not possible within a transaction (sqlite.org/lang_attach.html)
      database.run("ATTACH ? AS made", [plan.staging]);
      try {
        transact(() => takeOver(database, plan, writing));
      } finally {
        database.run("DETACH made");
      }
    },
    sizes: () => sizes.get() ?? { groups: 0, samples: 0 },
    forgetNames: writing.forgetNames,
    close: () => database.close(true),
  };
}

/** @throws {Fault} `unavailable` when the disk is full, `failed` otherwise; nothing is written then */
export function transact<T>(database: Database, work: () => T): T {
  database.run("BEGIN IMMEDIATE");
  try {
    const value = work();
    database.run("COMMIT");
    return value;
  } catch (error) {
    throw storageFault(error);
  } finally {
    // SQLite rolls back by itself when the disk is full (sqlite.org/lang_transaction.html)
    if (database.inTransaction) database.run("ROLLBACK");
  }
}
