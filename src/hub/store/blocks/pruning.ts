/** Retention: whole blocks go, the oldest first, in small transactions; their space goes back to the file system. */
import type { Database } from "bun:sqlite";

import type { Commits } from "../commits.ts";
import type { BlockRows } from "./block-rows.ts";
import type { HotRows } from "./hot-rows.ts";
import type { Turns } from "./turns.ts";

/** Blocks deleted in one transaction. */
const stepBlocks = 32;
/** Free pages given back at once: a few milliseconds. */
const stepPages = 256;

export type PruningWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly hot: HotRows;
  readonly commits: Commits;
  readonly turns: Turns;
};

type Doomed = {
  readonly id: number;
  readonly server: string;
  readonly last_ms: number;
  readonly lines: number;
  readonly bytes: number;
};

/**
 * Deletes blocks, and deliveries that are not in blocks, whose newest entry is older than `beforeMs` of their origin;
 * then the oldest of all while the file's pages in use take more than `maxBytes`. Runs alone. @returns lines deleted
 */
export async function pruneBlocks(
  { database, blocks, hot, commits, turns }: PruningWorld,
  beforeMs: (serverId: string) => number,
  maxBytes: number,
): Promise<number> {
  const kinds = [
    {
      remove: blocks.remove,
      oldest: database.query<Doomed, [number, number, number]>(
        "SELECT blocks.id, origins.name AS server, last_ms, lines, bytes FROM blocks JOIN origins ON origins.id = origin WHERE (last_ms, blocks.id) > (?, ?) ORDER BY last_ms, blocks.id LIMIT ?",
      ),
      origins: database.query<{ name: string }, []>("SELECT name FROM origins"),
    },
    {
      remove: hot.remove,
      oldest: database.query<Doomed, [number, number, number]>(
        "SELECT id, server, last_ms, last_position - id + 1 AS lines, bytes FROM chunks WHERE (last_ms, id) > (?, ?) ORDER BY last_ms, id LIMIT ?",
      ),
      origins: database.query<{ name: string }, []>("SELECT DISTINCT server AS name FROM chunks"),
    },
  ];
  let lines = 0;

  async function drop(remove: (id: number) => boolean, doomed: readonly Doomed[]): Promise<void> {
    for (let from = 0; from < doomed.length; from += stepBlocks) {
      const step = doomed.slice(from, from + stepBlocks);
      lines += await commits.write(0, () => step.reduce((sum, row) => (remove(row.id) ? sum + row.lines : sum), 0));
      await turns.breathe();
    }
  }

  for (const { remove, oldest, origins } of kinds) {
    // nothing newer than the latest limit can be too old
    const latest = Math.max(...origins.all().map((row) => beforeMs(row.name)), -Infinity);
    let place: readonly [number, number] = [Number.MIN_SAFE_INTEGER, 0];
    for (;;) {
      const rows = oldest.all(...place, stepBlocks * 8);
      await drop(
        remove,
        rows.filter((row) => row.last_ms < beforeMs(row.server)),
      );
      const last = rows.at(-1);
      if (last === undefined || last.last_ms >= latest) break;
      place = [last.last_ms, last.id];
    }
  }
  const [ofBlocks, ofHot] = kinds;
  for (;;) {
    let excess = usedBytes(database) - maxBytes;
    if (excess <= 0 || ofBlocks === undefined || ofHot === undefined) break;
    const first: [number, number, number] = [Number.MIN_SAFE_INTEGER, 0, stepBlocks];
    const pieces = [
      ...ofBlocks.oldest.all(...first).map((row) => ({ row, remove: ofBlocks.remove })),
      ...ofHot.oldest.all(...first).map((row) => ({ row, remove: ofHot.remove })),
    ].toSorted((a, b) => a.row.last_ms - b.row.last_ms || a.row.id - b.row.id);
    if (pieces.length === 0) break;
    for (const { row, remove } of pieces.slice(0, stepBlocks)) {
      await drop(remove, [row]);
      excess -= row.bytes;
      if (excess <= 0) break;
    }
  }
  await giveBack(database, turns);
  return lines;
}

/** Bytes of pages that hold something. */
export function usedBytes(database: Database): number {
  const value = (name: string) => database.query<Record<string, number>, []>(`PRAGMA ${name}`).get()?.[name] ?? 0;
  return (value("page_count") - value("freelist_count")) * value("page_size");
}

/** Gives free pages back to the file system, a few at a time. Runs alone. */
export async function giveBack(database: Database, turns: Turns): Promise<void> {
  const free = database.query<{ freelist_count: number }, []>("PRAGMA freelist_count");
  for (;;) {
    const before = free.get()?.freelist_count ?? 0;
    if (before === 0) return;
    database.run(`PRAGMA incremental_vacuum(${stepPages})`);
    // a file that was made without auto_vacuum keeps its free pages, and uses them again
    if ((free.get()?.freelist_count ?? 0) >= before) return;
    await turns.breathe();
  }
}
