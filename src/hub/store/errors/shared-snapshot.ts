/**
 * All error groups at once, for hubs that have none or are far behind: an SQLite file, in Postgres in pieces. It is copied row
 * by row in small slices, because SQLite's own ways hold the thread until a whole file is written.
 */
import { Database } from "bun:sqlite";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { type Pinned, openCopy } from "./shared-copy.ts";
import type { ErrorLog, Snapshot } from "./shared-log.ts";

/** A piece before it is compressed: a row of Postgres should not be much larger. */
const partBytes = 8 * 1024 * 1024;
/** Rows that are copied at once; samples have a few kilobytes each. */
const sliceRows = 200;
const sliceMs = 8;

export type SnapshotWorld = { readonly folder: string; readonly log: ErrorLog; readonly clock: Clock };

const madeName = "errors-snapshot.db";

/** Brings what is pinned to Postgres. It is not the newest snapshot yet: see ErrorLog. */
export async function saveSnapshot({ folder, log, clock }: SnapshotWorld, pinned: Pinned): Promise<Snapshot> {
  const { position, term } = pinned.mark;
  const id = crypto.randomUUID();
  try {
    removeDatabase(folder, madeName);
    await copyRows(folder, pinned.database, clock);
    let parts = 0;
    for (const piece of pieces(join(folder, madeName))) {
      await log.addPart(id, parts++, await Bun.zstdCompress(piece, { level: 3 }));
    }
    return { id, position, term, parts };
  } catch (error) {
    // the next snapshot removes what this can't
    await log.dropParts(id).catch(() => undefined);
    throw error;
  } finally {
    removeDatabase(folder, madeName);
  }
}

/** Puts a snapshot's file under a name. false: it is gone, because there is a newer one. */
export async function loadSnapshot({ folder, log }: SnapshotWorld, snapshot: Snapshot, name: string): Promise<boolean> {
  removeDatabase(folder, name);
  const file = openSync(join(folder, name), "w", 0o600);
  try {
    for (let part = 0; part < snapshot.parts; part++) {
      const body = await log.part(snapshot.id, part);
      if (body === undefined) return false;
      writeSync(file, await Bun.zstdDecompress(body));
    }
    return true;
  } finally {
    closeSync(file);
  }
}

/** Removes a database with what SQLite keeps beside it; the file itself first, so that nothing is ever half of one. */
export function removeDatabase(folder: string, name: string): void {
  for (const side of ["", "-wal", "-shm", "-journal"]) rmSync(join(folder, name + side), { force: true });
}

async function copyRows(folder: string, from: Database, clock: Clock): Promise<void> {
  // its tables, without rows
  (await openCopy(folder, madeName)).close();
  const target = new Database(join(folder, madeName), { strict: true });
  try {
    // it is read from beginning to end once, and gone
    for (const pragma of ["journal_mode = OFF", "synchronous = OFF"]) target.run(`PRAGMA ${pragma}`);
    let started = performance.now();
    for (const table of tablesOf(from)) {
      for (const copied of copyTable(from, target, table)) {
        if (copied === 0 || performance.now() - started < sliceMs) continue;
        await new Promise<void>((resolve) => clock.after(0, resolve));
        started = performance.now();
      }
    }
    // ids that are never given twice
    target.run("DELETE FROM sqlite_sequence");
    const sequences = from.query<{ name: string; seq: number }, []>("SELECT name, seq FROM sqlite_sequence").all();
    for (const { name, seq } of sequences) {
      target.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [name, seq]);
    }
  } finally {
    // with all of it in the file: else that waits for whoever collects what was prepared
    target.run("PRAGMA wal_checkpoint(TRUNCATE)");
    target.close(true);
  }
}

/** All but SQLite's own, and what tells which migrations were run. */
function tablesOf(database: Database): readonly string[] {
  const all = database.query<{ name: string }, []>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'kysely%' ORDER BY name",
  );
  return all.all().map(({ name }) => name);
}

/** In the order of the primary key, a slice at each step. */
function* copyTable(from: Database, target: Database, table: string): Generator<number> {
  const columns = from.query<{ name: string; pk: number }, []>(`PRAGMA table_info("${table}")`).all();
  const keys = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
  const keyPlaces = keys.map(({ name }) => columns.findIndex((column) => column.name === name));
  const key = keys.map(({ name }) => `"${name}"`).join(", ");
  const marks = (count: number) => Array.from({ length: count }, () => "?").join(", ");
  const names = columns.map(({ name }) => `"${name}"`).join(", ");
  const order = `ORDER BY ${key} LIMIT ${sliceRows}`;
  const read = `SELECT ${names} FROM "${table}"`;
  const add = target.prepare<unknown, never[]>(`INSERT INTO "${table}" (${names}) VALUES (${marks(columns.length)})`);
  const first = from.prepare<unknown, never[]>(`${read} ${order}`);
  const more = from.prepare<unknown, never[]>(`${read} WHERE (${key}) > (${marks(keys.length)}) ${order}`);
  let last: unknown[] | undefined;
  for (;;) {
    const rows: unknown[][] =
      last === undefined ? first.values() : more.values(...(keyPlaces.map((place) => last?.[place]) as never[]));
    target.run("BEGIN");
    for (const row of rows) add.run(...(row as never[]));
    target.run("COMMIT");
    yield rows.length;
    last = rows.at(-1);
    if (rows.length < sliceRows) break;
  }
  for (const statement of [add, first, more]) statement.finalize();
}

function* pieces(path: string): Generator<Uint8Array> {
  const file = openSync(path, "r");
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(partBytes);
      const length = readSync(file, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}
