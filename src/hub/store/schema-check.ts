/** Whether a database has the tables that its migrations make: SQLite itself takes any text for what was meant. */
import type { Database } from "bun:sqlite";
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

import type { Migration } from "kysely/migration";

import { openDatabase } from "./database.ts";
import { listProblem } from "./migrations-list.ts";

type Migrations = Readonly<Record<string, Migration>>;

/** The schema lies in the first pages of a file, where its tables were made before anything else. */
const schemaBytes = 512 * 1024;
/** As openDatabase makes them; the header has counters in it. */
const pageBytes = 8192;
const headerBytes = 100;
/** More bytes than these are no damage but another history. */
const mostDiffering = 8;

/** As they are all called; what is read of a damaged list is called anything. */
const migrationName = /^\d{4}-[a-z0-9-]+$/;

/** A row of sqlite_master (sqlite.org/schematab.html). */
type Entry = {
  readonly type: string;
  readonly name: string;
  readonly tbl_name: string;
  readonly sql: string | null;
};

/** What differs; empty: nothing, or its tables are others' to make. An older database is compared with what was made then. */
export async function schemaProblems(
  database: Database,
  migrations: Migrations | undefined,
): Promise<readonly string[]> {
  if (migrations === undefined) return [];
  const run = migrationsOf(database);
  if (run === undefined) return ["the list of its migrations can't be read"];
  const unknown = run.filter((name) => !(name in migrations));
  if (unknown.length > 0) return [`it has migrations that this Orion does not know: ${unknown.join(", ")}`];
  const there = new Set(schemaOf(database).map((one) => JSON.stringify(one)));
  const { entries } = await schemaMadeBy(migrations, run);
  const other = entries
    .filter((one) => !there.has(JSON.stringify(one)))
    .map(({ type, name }) => `the ${type} ${name} is not as it was made`);
  // a table that is another may not have its columns
  return other.length > 0 ? other : [listProblem(database) ?? []].flat();
}

/** Whether all `migrations` were run, and others that they do not have. */
export function hasMoreThan(database: Database, migrations: Migrations): boolean {
  const run = migrationsOf(database) ?? [];
  return (
    Object.keys(migrations).every((name) => run.includes(name)) &&
    run.every((name) => migrationName.test(name)) &&
    run.some((name) => !(name in migrations))
  );
}

/** Whether a database has all that `migrations` make, or those of them that there were at one time. */
export async function hasSchemaOf(database: Database, migrations: Migrations): Promise<boolean> {
  const there = new Set(schemaOf(database).map((one) => JSON.stringify(one)));
  const names = Object.keys(migrations);
  for (let n = names.length; n > 0; n--) {
    const { entries } = await schemaMadeBy(migrations, names.slice(0, n));
    if (entries.every((one) => there.has(JSON.stringify(one)))) return true;
  }
  return false;
}

/**
 * Writes a byte of the schema's text in the file `path` back to what it was made as, where one is wrong. SQLite itself opens
 * nothing with a schema that it can't read. @returns whether there was one
 */
export async function mendSchema(path: string, migrations: Migrations): Promise<boolean> {
  const { entries, firstPage } = await schemaMadeBy(migrations, Object.keys(migrations));
  // a record has its columns one after the other, the root page before the text (sqlite.org/schematab.html)
  const texts = entries.flatMap(({ type, name, tbl_name, sql }) => [
    Buffer.from(`${type}${name}${tbl_name}`),
    Buffer.from(sql ?? ""),
  ]);
  const fd = openSync(path, "r+");
  try {
    const head = Buffer.alloc(Math.min(schemaBytes, fstatSync(fd).size));
    readSync(fd, head, 0, head.length, 0);
    const differing = differingBytes(head, firstPage);
    if (differing.length > 0 && differing.length <= mostDiffering) {
      for (const at of differing) writeSync(fd, firstPage, at, 1, at);
      return true;
    }
    const damaged = texts.filter((text) => !head.includes(text));
    for (const text of damaged) {
      const at = findAlmost(head, text);
      const isAnother = texts.some((other) => other.equals(head.subarray(at, at + text.length)));
      if (at !== -1 && !isAnother) writeSync(fd, text, 0, text.length, at);
    }
    return damaged.length > 0;
  } finally {
    closeSync(fd);
  }
}

/** Places of the first page where it is not as it was made, its counters aside. A database with a history has many. */
function differingBytes(head: Buffer, firstPage: Uint8Array): readonly number[] {
  const places: number[] = [];
  for (let at = headerBytes; at < firstPage.length; at++) if (head[at] !== firstPage[at]) places.push(at);
  return places;
}

/** Where `text` is but for one byte; -1: nowhere. */
function findAlmost(head: Buffer, text: Buffer): number {
  const [middle, end] = [text.length >> 1, text.length];
  // one of its halves is as it was
  for (const [from, half] of [
    [0, text.subarray(0, middle)],
    [middle, text.subarray(middle)],
  ] as const) {
    for (let found = head.indexOf(half); found !== -1; found = head.indexOf(half, found + 1)) {
      const at = found - from;
      if (at < 0 || at + end > head.length) continue;
      let differing = 0;
      for (let i = 0; i < end; i++) if (head[at + i] !== text[i]) differing++;
      if (differing === 1) return at;
    }
  }
  return -1;
}

async function schemaMadeBy(migrations: Migrations, run: readonly string[]) {
  const known = Object.entries(migrations).filter(([name]) => run.includes(name));
  const { database } = await openDatabase(":memory:", Object.fromEntries(known));
  try {
    return { entries: schemaOf(database), firstPage: database.serialize().subarray(0, pageBytes) };
  } finally {
    database.close();
  }
}

/** Names of what was run; undefined: they can't be read, so that its schema is not ours. */
function migrationsOf(database: Database): readonly string[] | undefined {
  try {
    return database
      .query<{ name: string }, []>("SELECT name FROM kysely_migration ORDER BY name")
      .all()
      .map(({ name }) => name);
  } catch {
    return undefined;
  }
}

function schemaOf(database: Database): readonly Entry[] {
  return database.query<Entry, []>("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").all();
}
