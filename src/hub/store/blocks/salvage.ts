/** Everything that can still be read of a damaged `logs.db`, put into a new one. */
import { Database } from "bun:sqlite";

import { openDatabase } from "../database.ts";
import type { Checked } from "../log-port.ts";
import { type Block, crcOf, quickLevel } from "./block.ts";
import { type BlockRow, type BlockRows, createBlockRows } from "./block-rows.ts";
import { createNames } from "./names.ts";
import { type Owners, readOwners, remakeBlock } from "./remake.ts";
import { blockMigrations } from "./tables.ts";

/** Rows of one transaction. */
const rowsAtOnce = 256;
/** Ids between two damaged places that are tried one by one. */
const mostTried = 5_000_000;
/** Positions that are left out when it is not known how many were given: none may be given twice. */
const positionGap = 10_000_000;

/** Tables of small rows that are taken over as they are; the others are made of blocks. */
const plainTables = ["origins", "sources", "senders", "counters", "quarantine", "chunks", "chunk_sources"] as const;

export type Salvaged = {
  readonly blocks: number;
  readonly lines: number;
  /** blocks of which not even the figures could be read */
  readonly unreadable: number;
  /** blocks whose figures could be read, but nothing else: they lie in `quarantine` */
  readonly lost: readonly Checked[];
};

/**
 * Reads what can be read of `from` into the new file `to`. What a place in the file costs that can't be followed is what
 * lies there: a lookup of anything else goes another way down the tree. Throws SQLite's error when `to` can't be written.
 */
export async function salvage(from: string, to: string, nowMs: number): Promise<Salvaged> {
  using old = new Database(from, { readonly: true, strict: true });
  const { database } = await openDatabase(to, blockMigrations);
  try {
    for (const table of plainTables) copyRows(old, database, table);
    const salvaged = await copyBlocks(old, database, nowMs);
    keepCounting(old, database);
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    return salvaged;
  } finally {
    database.close(true);
  }
}

/** Each row by itself, from both ends to the place that can't be read. */
function copyRows(old: Database, database: Database, table: (typeof plainTables)[number]): void {
  const key = table === "chunk_sources" ? ["source", "last_ms", "chunk"] : ["rowid"];
  for (const [order, compare] of [
    ["ASC", ">"],
    ["DESC", "<"],
  ] as const) {
    const place = `(${key.join(", ")}) ${compare} (${key.map(() => "?").join(", ")})`;
    const sorted = key.map((column) => `${column} ${order}`).join(", ");
    const names = columnsOf(database, table);
    const keys = key.map((column, i) => `${column} AS key_${i}`).join(", ");
    const select = attempt(() =>
      old.prepare<Record<string, unknown>, number[]>(
        `SELECT ${keys}, ${names.join(", ")} FROM ${table} WHERE ${place} ORDER BY ${sorted} LIMIT ${rowsAtOnce}`,
      ),
    );
    if (select === undefined) return;
    const insert = database.prepare(
      `INSERT OR IGNORE INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    );
    let at = key.map(() => (order === "ASC" ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER));
    for (;;) {
      const rows: Record<string, unknown>[] = [];
      // what was read before the damaged place counts
      const whole = attempt(() => {
        for (const row of select.iterate(...at)) rows.push(row);
        return true;
      });
      database.transaction(() => {
        for (const row of rows) insert.run(...names.map((name) => row[name] as never));
      })();
      const last = rows.at(-1);
      if (last === undefined) break;
      const next = key.map((_, i) => Number(last[`key_${i}`]));
      // a damaged tree may lead in a circle
      if (!comesAfter(next, at, order)) break;
      at = next;
      if (whole === undefined) break;
    }
  }
}

async function copyBlocks(old: Database, database: Database, nowMs: number): Promise<Salvaged> {
  const lost: Checked[] = [];
  let [blocks, lines, unreadable] = [0, 0, 0];
  const reader = attempt(() => rowsOf(old));
  if (reader === undefined) return { blocks, lines, unreadable, lost };
  const writer = rowsOf(database);
  const quarantine = database.prepare<unknown, [number, string, string, Uint8Array | null]>(
    "INSERT INTO quarantine (at_ms, problem, row, body) VALUES (?, ?, ?, ?)",
  );
  const owners = readOwners(database);
  for (const id of blockIds(old)) {
    const row = attempt(() => reader.row(id));
    if (row === undefined) unreadable++;
    if (row == null) continue;
    const block = attempt(() => reader.whole(row));
    const isSound = block != null && crcOf(block) === row.crc && Bun.hash.crc32(block.body) === row.body_crc;
    const good = isSound ? block : await remake(reader, row, owners);
    if (good !== undefined) {
      blocks++;
      lines += good.lines;
      database.transaction(() => writer.put(good, isSound ? row.pressed : quickLevel))();
      continue;
    }
    const found = remainsOf(reader, row);
    lost.push(found);
    const { counts: _, ...figures } = row;
    const body = attempt(() => reader.body(id)) ?? null;
    quarantine.run(nowMs, found.problem ?? "", JSON.stringify({ ...figures, server: found.serverId }), body);
  }
  return { blocks, lines, unreadable, lost };
}

function remainsOf(reader: BlockRows, row: BlockRow): Checked {
  return {
    block: `block ${row.id}`,
    problem: "it could not be read",
    lines: row.lines,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    serverId: attempt(() => reader.originName(row.origin)) ?? "",
    sources: attempt(() => reader.sourceNames(row.id)) ?? [],
  };
}

/** undefined: too little of it can be read. */
async function remake(reader: BlockRows, row: BlockRow, owners: Owners): Promise<Block | undefined> {
  const body = attempt(() => reader.body(row.id));
  if (body == null || Bun.hash.crc32(body) !== row.body_crc) return undefined;
  const serverId = attempt(() => reader.originName(row.origin)) ?? "";
  const stored = attempt(() => reader.whole(row)) ?? null;
  try {
    return await remakeBlock({ row, body, serverId, stored, owners });
  } catch {
    // a body that can't be opened is lost, and told as such
    return undefined;
  }
}

/** Ids of blocks that there may be: as they are listed from both ends, and between those all that were ever given. */
function blockIds(old: Database): number[] {
  const ends = (["ASC", "DESC"] as const).map((order) => {
    const ids: number[] = [];
    attempt(() => {
      // the table itself and not an index of it: an index may be what is damaged
      const rows = old.query<{ id: number }, []>(`SELECT id FROM blocks NOT INDEXED ORDER BY id ${order}`).iterate();
      for (const { id } of rows) {
        const last = ids.at(-1);
        // a damaged tree may lead in a circle
        if (last !== undefined && !comesAfter([id], [last], order)) break;
        ids.push(id);
      }
    });
    return ids;
  });
  const [rising = [], falling = []] = ends;
  const given = attempt(() =>
    old.query<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'blocks'").get(),
  );
  const from = (rising.at(-1) ?? 0) + 1;
  const to = falling.at(-1) ?? (given?.seq ?? 0) + 1;
  const between = Array.from({ length: Math.max(0, Math.min(to - from, mostTried)) }, (_, i) => from + i);
  return [...new Set([...rising, ...between, ...falling])].sort((a, b) => a - b);
}

function comesAfter(next: readonly number[], last: readonly number[], order: "ASC" | "DESC"): boolean {
  const at = next.findIndex((value, i) => value !== last[i]);
  if (at === -1) return false;
  const [a, b] = [next[at] as number, last[at] as number];
  return order === "ASC" ? a > b : a < b;
}

/** Positions and ids of blocks go on behind all that were given. */
function keepCounting(old: Database, database: Database): void {
  const known = attempt(() =>
    old.query<{ value: number }, []>("SELECT value FROM counters WHERE name = 'position'").get(),
  )?.value;
  const highest =
    database
      .query<{ value: number }, []>(
        "SELECT max(coalesce((SELECT max(last_position) FROM blocks), 0), coalesce((SELECT max(last_position) FROM chunks), 0)) AS value",
      )
      .get()?.value ?? 0;
  const position = known !== undefined && known >= highest ? known : highest + positionGap;
  database
    .query<unknown, [number]>(
      "INSERT INTO counters (name, value) VALUES ('position', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .run(position);
}

function rowsOf(database: Database): BlockRows {
  return createBlockRows(database, createNames(database, "origins"), createNames(database, "sources"));
}

function columnsOf(database: Database, table: string): readonly string[] {
  return database
    .query<{ name: string }, [string]>("SELECT name FROM pragma_table_info(?)")
    .all(table)
    .map(({ name }) => name);
}

/** undefined: the place where it lies is damaged. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB" || code === "SQLITE_ERROR") return undefined;
    throw error;
  }
}
