/** Everything that can still be read of a damaged `logs.db`, put into a new one. */
import { Database } from "bun:sqlite";

import { openDatabase } from "../database.ts";
import type { Checked } from "../log-port.ts";
import { type Block, crcOf, quickLevel } from "./block.ts";
import { type BlockRow, type BlockRows, createBlockRows } from "./block-rows.ts";
import { attempt, comesAfter, listed } from "./damaged.ts";
import { createNames } from "./names.ts";
import { type Outline, isComplete, readOutlines } from "./outlines.ts";
import { type Owners, readOwners, remakeBlock, remakeRowless } from "./remake.ts";
import { missingHot, noteSources } from "./salvage-hot.ts";
import { blockMigrations } from "./tables.ts";

/** Rows of one transaction. */
const rowsAtOnce = 256;
/** Ids between two damaged places that are tried one by one. */
const mostTried = 5_000_000;
/** Positions that are left out when it is not known how many were given: none may be given twice. */
const positionGap = 10_000_000;

/** Tables of small rows that are taken over as they are; the others are made of blocks. */
const plainTables = ["origins", "sources", "senders", "counters", "quarantine", "chunks"] as const;

export type Salvaged = {
  readonly blocks: number;
  readonly lines: number;
  /** blocks of which not even the figures could be read */
  readonly unreadable: number;
  /** blocks and deliveries whose figures could be read, but nothing else: they lie in `quarantine` */
  readonly lost: readonly Checked[];
  /** rows of the log that are in the new file, blocks and others */
  readonly rows: number;
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
    noteSources(database, createNames(database, "sources"));
    const putAside = quarantineOf(database, nowMs);
    const missing = missingHot(old, database);
    for (const one of missing) putAside(one, { id: one.block }, null);
    const salvaged = await copyBlocks(old, database, putAside);
    const rows = countRows(database);
    keepCounting(old, database);
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    return { ...salvaged, rows, lost: [...missing, ...salvaged.lost] };
  } finally {
    database.close(true);
  }
}

function countRows(database: Database): number {
  const tables = [...plainTables, "blocks"].map((table) => `(SELECT count(*) FROM ${table})`);
  return database.query<{ n: number }, []>(`SELECT ${tables.join(" + ")} AS n`).get()?.n ?? 0;
}

type PutAside = (found: Checked, row: Readonly<Record<string, unknown>>, body: Uint8Array | null) => void;

function quarantineOf(database: Database, nowMs: number): PutAside {
  const insert = database.prepare<unknown, [number, string, string, Uint8Array | null]>(
    "INSERT INTO quarantine (at_ms, problem, row, body) VALUES (?, ?, ?, ?)",
  );
  return ({ problem, serverId, lines, firstMs, lastMs }, row, body) =>
    void insert.run(nowMs, problem ?? "", JSON.stringify({ lines, firstMs, lastMs, ...row, server: serverId }), body);
}

/** Each row by itself, from both ends to the place that can't be read. */
function copyRows(old: Database, database: Database, table: (typeof plainTables)[number]): void {
  // an older file has fewer columns
  const there = new Set(attempt(() => columnsOf(old, table)) ?? []);
  const names = columnsOf(database, table).filter((name) => there.has(name));
  if (names.length === 0) return;
  const insert = database.prepare(
    `INSERT OR IGNORE INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
  );
  for (const [order, compare] of [
    ["ASC", ">"],
    ["DESC", "<"],
  ] as const) {
    const select = attempt(() =>
      old.prepare<Record<string, unknown>, number[]>(
        `SELECT rowid AS place, ${names.join(", ")} FROM ${table} NOT INDEXED WHERE rowid ${compare} ? ORDER BY rowid ${order} LIMIT ${rowsAtOnce}`,
      ),
    );
    if (select === undefined) return;
    let at = order === "ASC" ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
    for (;;) {
      const rows: Record<string, unknown>[] = [];
      // what was read before the damaged place counts
      const whole = attempt(() => {
        for (const row of select.iterate(at)) rows.push(row);
        return true;
      });
      database.transaction(() => {
        for (const row of rows) insert.run(...names.map((name) => row[name] as never));
      })();
      const last = rows.at(-1);
      if (last === undefined) break;
      const next = Number(last["place"]);
      // a damaged tree may lead in a circle
      if (!comesAfter([next], [at], order)) break;
      at = next;
      if (whole === undefined) break;
    }
  }
}

async function copyBlocks(old: Database, database: Database, putAside: PutAside): Promise<Omit<Salvaged, "rows">> {
  const lost: Checked[] = [];
  let [blocks, lines, unreadable] = [0, 0, 0];
  const reader = attempt(() => rowsOf(old));
  if (reader === undefined) return { blocks, lines, unreadable, lost };
  const writer = rowsOf(database);
  const owners = readOwners(database);
  const outlines = readOutlines(old);
  for (const id of blockIds(old, outlines.keys())) {
    const row = attempt(() => reader.row(id));
    const block = row == null ? undefined : attempt(() => reader.whole(row));
    const isSound =
      row != null && block != null && crcOf(block) === row.crc && Bun.hash.crc32(block.body) === row.body_crc;
    const good = isSound
      ? block
      : row == null
        ? await remakeOutlined(reader, id, outlines.get(id))
        : await remake(reader, row, owners);
    if (good !== undefined) {
      blocks++;
      lines += good.lines;
      database.transaction(() => writer.put(good, isSound ? row.pressed : quickLevel))();
    } else if (row == null) {
      // of the ids that were ever given most are those of blocks that were joined with others or deleted
      if (outlines.has(id) || (row === undefined && outlines.size === 0)) unreadable++;
    } else {
      const found = remainsOf(reader, row);
      lost.push(found);
      const { counts: _, ...figures } = row;
      putAside(found, figures, attempt(() => reader.body(id)) ?? null);
    }
  }
  return { blocks, lines, unreadable, lost };
}

/** A block of which the row can't be read. */
async function remakeOutlined(
  reader: BlockRows,
  id: number,
  outline: Partial<Outline> | undefined,
): Promise<Block | undefined> {
  if (!isComplete(outline)) return undefined;
  const [body, filters] = [attempt(() => reader.body(id)), attempt(() => reader.filters(id))];
  const serverId = attempt(() => reader.originName(outline.origin)) ?? "";
  if (body == null || filters == null || serverId === "") return undefined;
  try {
    return await remakeRowless({ outline, serverId, body, ...filters });
  } catch {
    // a body that can't be opened is lost, and told as such
    return undefined;
  }
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

/**
 * Ids of blocks that there may be: as the table and its indexes list them, and of what lies between two places where the
 * table ends all that were ever given.
 */
function blockIds(old: Database, outlined: Iterable<number>): number[] {
  // the table itself and not an index of it: an index may be what is damaged
  const { rising, falling } = listed<{ id: number }>(old, { tree: "blocks NOT INDEXED", columns: ["id"], key: ["id"] });
  const given = attempt(() =>
    old.query<{ seq: number }, []>("SELECT seq FROM sqlite_sequence WHERE name = 'blocks'").get(),
  );
  const from = (rising.at(-1)?.id ?? 0) + 1;
  const to = falling.at(-1)?.id ?? (given?.seq ?? 0) + 1;
  const between = Array.from({ length: Math.max(0, Math.min(to - from, mostTried)) }, (_, i) => from + i);
  const read = [...rising, ...falling].map(({ id }) => id);
  return [...new Set([...read, ...between, ...outlined])].sort((a, b) => a - b);
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
