/** Retention: whole blocks go, the oldest first, in small transactions; their space goes back to the file system. */
import type { Database } from "bun:sqlite";

import { Fault } from "#src/protocol/fault.ts";
import type { Commits } from "../commits.ts";
import type { Keeping } from "../log-port.ts";
import { readArrivals, noteArrivals } from "./arrival-days.ts";
import { dayMs } from "./block.ts";
import type { BlockRows } from "./block-rows.ts";
import type { HotRows } from "./hot-rows.ts";
import type { Names } from "./names.ts";
import type { Turns } from "./turns.ts";
import { forgetUnused } from "./unused.ts";

/** Blocks deleted in one transaction. */
const stepBlocks = 32;
/** Rows looked at at once. */
const pageRows = 256;
/** Free pages given back at once: a few milliseconds. */
const stepPages = 256;

export type PruningWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly hot: HotRows;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly names: { readonly origins: Names; readonly sources: Names };
  readonly now: () => number;
  /** the position of the newest entry */
  readonly head: () => number;
};

type Doomed = {
  readonly id: number;
  readonly server: string;
  readonly last_ms: number;
  readonly last_position: number;
  readonly lines: number;
  readonly bytes: number;
};

/** Blocks, or deliveries that are not in blocks. */
type Kind = {
  readonly remove: (id: number) => boolean;
  /** After an end and an id, the oldest first. */
  readonly oldest: (lastMs: number, id: number) => readonly Doomed[];
  readonly origins: () => readonly string[];
  /** Bytes of each origin. */
  readonly bytes: () => ReadonlyMap<string, number>;
};

/**
 * Deletes what is older than its origin is kept, then the oldest of each share that is too large, then the oldest of all
 * while the file's pages in use take too much. A block goes when its newest entry is too old. Runs alone.
 * @returns lines deleted
 */
export async function pruneBlocks(world: PruningWorld, { since, shares, bytes }: Keeping): Promise<number> {
  const { database, commits, turns } = world;
  const kinds = kindsOf(world);
  let lines = 0;

  function dropAtOnce(remove: Kind["remove"], doomed: readonly Doomed[]): Promise<number> {
    return commits.write(0, () => doomed.reduce((sum, row) => (remove(row.id) ? sum + row.lines : sum), 0));
  }

  async function drop(remove: Kind["remove"], doomed: readonly Doomed[]): Promise<void> {
    for (let from = 0; from < doomed.length; from += stepBlocks) {
      const step = doomed.slice(from, from + stepBlocks);
      try {
        lines += await dropAtOnce(remove, step);
      } catch (error) {
        // a full disk has no room for a large transaction, but maybe for a small one
        if (!(error instanceof Fault) || error.code !== "unavailable") throw error;
        for (const row of step) lines += await dropAtOnce(remove, [row]);
      }
      await turns.breathe();
    }
  }

  /** All from a time on, up to a time, that are too old. */
  async function dropFrom(
    fromMs: number,
    { remove, oldest }: Kind,
    toMs: number,
    isOld: (row: Doomed) => boolean,
  ): Promise<void> {
    let place: readonly [number, number] = [fromMs, 0];
    for (;;) {
      const rows = oldest(...place);
      await drop(remove, rows.filter(isOld));
      const last = rows.at(-1);
      if (last === undefined || last.last_ms >= toMs) return;
      place = [last.last_ms, last.id];
      await turns.breathe();
    }
  }

  async function dropOld(kind: Kind): Promise<void> {
    // nothing newer than the latest limit can be too old
    const latest = kind.origins().reduce((most, origin) => Math.max(most, since(origin)), -Infinity);
    await dropFrom(Number.MIN_SAFE_INTEGER, kind, latest, (row) => row.last_ms < since(row.server));
    // what a wrong clock has dated ahead is as old as what came with it
    const arrivedBefore = readArrivals(database);
    const isOld = (row: Doomed) => row.last_position <= arrivedBefore(since(row.server));
    await dropFrom(world.now() + dayMs, kind, Infinity, isOld);
  }

  /** The oldest until `excess` bytes are gone, or all that there are. */
  async function dropExcess(excess: number, isOf: (serverId: string) => boolean): Promise<void> {
    let left = excess;
    for (const { remove, oldest } of kinds) {
      let place = beginning;
      while (left > 0) {
        const rows = oldest(...place);
        const last = rows.at(-1);
        if (last === undefined) break;
        place = [last.last_ms, last.id];
        const doomed: Doomed[] = [];
        for (const row of rows) {
          if (left <= 0) break;
          if (!isOf(row.server)) continue;
          doomed.push(row);
          left -= row.bytes;
        }
        await drop(remove, doomed);
      }
    }
  }

  for (const kind of kinds) await dropOld(kind);
  if (shares.length > 0) {
    const taken = kinds.map((kind) => kind.bytes());
    for (const share of shares) {
      const sum = [...share.serverIds].reduce(
        (all, id) => all + taken.reduce((own, sizes) => own + (sizes.get(id) ?? 0), 0),
        0,
      );
      await dropExcess(sum - share.bytes, (id) => share.serverIds.has(id));
    }
  }
  for (;;) {
    // what a row takes beside its bytes is known only by what becomes free
    const before = lines;
    await dropExcess(usedBytes(database) - bytes, () => true);
    if (lines === before) break;
  }
  if (lines > 0) await forgetUnused(world);
  await giveBack(database, turns);
  // last, because it needs space itself
  await noteArrivals(world);
  return lines;
}

const beginning: readonly [number, number] = [Number.MIN_SAFE_INTEGER, 0];

function kindsOf({ database, blocks, hot }: PruningWorld): readonly Kind[] {
  const kind = (remove: Kind["remove"], rows: string, origins: string, sizes: string): Kind => {
    const oldest = database.query<Doomed, [number, number]>(rows);
    return {
      remove,
      oldest: (lastMs, id) => oldest.all(lastMs, id),
      origins: () =>
        database
          .query<{ name: string }, []>(origins)
          .all()
          .map(({ name }) => name),
      bytes: () =>
        new Map(
          database
            .query<{ name: string; bytes: number }, []>(sizes)
            .all()
            .map((row) => [row.name, row.bytes]),
        ),
    };
  };
  return [
    kind(
      blocks.remove,
      `SELECT blocks.id, origins.name AS server, last_ms, last_position, lines, bytes FROM blocks JOIN origins ON origins.id = origin WHERE (last_ms, blocks.id) > (?, ?) ORDER BY last_ms, blocks.id LIMIT ${pageRows}`,
      "SELECT name FROM origins",
      "SELECT name, sum(bytes) AS bytes FROM blocks JOIN origins ON origins.id = origin GROUP BY origin",
    ),
    kind(
      hot.remove,
      `SELECT id, server, last_ms, last_position, last_position - id + 1 AS lines, bytes FROM chunks WHERE (last_ms, id) > (?, ?) ORDER BY last_ms, id LIMIT ${pageRows}`,
      "SELECT DISTINCT server AS name FROM chunks",
      "SELECT server AS name, sum(bytes) AS bytes FROM chunks GROUP BY server",
    ),
  ];
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
    if (before === 0) break;
    database.run(`PRAGMA incremental_vacuum(${stepPages})`);
    // a file that was made without auto_vacuum keeps its free pages, and uses them again
    if ((free.get()?.freelist_count ?? 0) >= before) break;
    await turns.breathe();
  }
  // the file is cut when the log of writes goes into it (sqlite.org/wal.html); waits for nobody who reads
  database.run("PRAGMA wal_checkpoint(PASSIVE)");
}
