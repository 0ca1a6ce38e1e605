/** A copy of a database as it was before its tables are changed: the newest one is kept beside it. */
import type { Database } from "bun:sqlite";
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  statfsSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

import { removeIfThere, syncFolder } from "#src/lib/files.ts";
import { Fault } from "#src/protocol/fault.ts";

/** A slow disk, or one that others keep busy. */
const leastBytesPerMs = 5 * 1024;

/** The longest that copies of all databases in `folder` may take, in milliseconds. */
export function longestCopyMs(folder: string): number {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".db")) : [];
  return Math.ceil(names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / leastBytesPerMs);
}

/** What is left free beside the copy: the change itself takes space as well. */
const spareBytes = 16 * 1024 * 1024;

/**
 * Copies the database that is open as `database` to `FILE.before-CHANGE` (0600) and removes older copies of it. Nothing is
 * done for one without tables. @returns the copy; null: there was nothing to copy
 * @throws {Fault} `unavailable` when the disk has no room for it: then the change must not be made
 */
export function backUpBefore(database: Database, file: string, change: string): string | null {
  const size = database
    .query<{ tables: number; bytes: number }, []>(
      "SELECT (SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'kysely%') AS tables, (page_count - freelist_count) * page_size AS bytes FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )
    .get();
  if (size === null || size.tables === 0) return null;
  const folder = dirname(file);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < size.bytes + spareBytes) {
    const mebibytes = Math.ceil((size.bytes + spareBytes) / 1024 ** 2);
    throw new Fault(
      "unavailable",
      `${file} is not changed for this version: there is no room for a backup of it first`,
      {
        hint: `Free ${mebibytes} MiB on the disk of ${folder}`,
      },
    );
  }
  const copy = `${file}.before-${change}`;
  const partial = `${copy}.partial`;
  removeIfThere(partial);
  database.run("VACUUM INTO ?", [partial]);
  const fd = openSync(partial, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  chmodSync(partial, 0o600);
  renameSync(partial, copy);
  const prefix = `${basename(file)}.before-`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix) && name !== basename(copy)) removeIfThere(join(folder, name));
  }
  syncFolder(folder);
  return copy;
}
