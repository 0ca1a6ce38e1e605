/** Whether what is stored is what was written, and putting aside what is not. */
import type { Database } from "bun:sqlite";

import { reasonOf } from "#src/protocol/fault.ts";
import type { Commits } from "../commits.ts";
import { crcOf } from "./block.ts";
import { type BlockRow, type BlockRows, blockColumns } from "./block-rows.ts";
import { openBody } from "./columns.ts";
import { readCounts } from "./counts.ts";
import { type HotRow, type HotRows, hotColumns } from "./hot-rows.ts";
import { pieceOf } from "./pieces.ts";
import type { Turns } from "./turns.ts";

/** What was found of one block (`block 17`) or delivery (`delivery 4711`). */
export type Finding = { readonly block: string; readonly problem: string | null };

export type IntegrityWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly hot: HotRows;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly now: () => number;
};

type Checked = Finding & { readonly lines: number; readonly putAside: () => void };

/** Goes through everything, oldest first by id. Blocks that are written meanwhile may be left out. */
export async function* checkAll(world: IntegrityWorld): AsyncGenerator<Checked> {
  const { database, turns } = world;
  const nextBlocks = database.query<BlockRow, [number]>(
    `SELECT ${blockColumns} FROM blocks WHERE id > ? ORDER BY id LIMIT 32`,
  );
  const nextHot = database.query<HotRow, [number]>(
    `SELECT ${hotColumns} FROM chunks WHERE id > ? ORDER BY id LIMIT 32`,
  );
  for (let last = Number.MIN_SAFE_INTEGER, rows = nextBlocks.all(last); rows.length > 0; rows = nextBlocks.all(last)) {
    for (const row of rows) {
      last = row.id;
      yield checkBlock(world, row);
      await turns.breathe();
    }
  }
  for (let last = Number.MIN_SAFE_INTEGER, rows = nextHot.all(last); rows.length > 0; rows = nextHot.all(last)) {
    for (const row of rows) {
      last = row.id;
      yield checkHot(world, row);
      await turns.breathe();
    }
  }
}

function checkBlock({ database, blocks, now }: IntegrityWorld, row: BlockRow): Checked {
  const block = blocks.whole(row);
  return {
    block: `block ${row.id}`,
    lines: row.lines,
    problem: problemOf(),
    putAside() {
      const { counts: _, ...figures } = row;
      const names = { server: blocks.originName(row.origin), sources: blocks.sourceNames(row.id) };
      keepAside(database, now(), problemOf() ?? "", { ...figures, ...names }, blocks.body(row.id));
      blocks.remove(row.id);
    },
  };

  function problemOf(): string | null {
    if (block === null) return "a part of it is missing";
    if (Bun.hash.crc32(block.body) !== row.body_crc) return "the checksum of its body is another";
    if (crcOf(block) !== row.crc) return "the checksum of its figures and filters is another";
    try {
      const columns = openBody(pieceOf(row, block.serverId, null), block.body);
      if (columns.count !== row.lines) return "its number of entries is another";
      for (let i = 0; i < columns.count; i++) columns.entry(i);
      readCounts(block.counts);
    } catch (error) {
      return reasonOf(error);
    }
    return null;
  }
}

function checkHot({ database, hot, now }: IntegrityWorld, row: HotRow): Checked {
  let problem: string | null = null;
  try {
    hot.open(row);
  } catch (error) {
    problem = reasonOf(error);
  }
  return {
    block: `delivery ${row.id}`,
    lines: row.last_position - row.id + 1,
    problem,
    putAside() {
      keepAside(database, now(), problem ?? "", row, hot.body(row.id));
      hot.remove(row.id);
    },
  };
}

function keepAside(database: Database, atMs: number, problem: string, row: object, body: Uint8Array | null): void {
  database
    .query<unknown, [number, string, string, Uint8Array | null]>(
      "INSERT INTO quarantine (at_ms, problem, row, body) VALUES (?, ?, ?, ?)",
    )
    .run(atMs, problem, JSON.stringify(row), body);
}

/** Moves what is damaged into the table `quarantine`. Runs alone. @returns how many blocks, with how many lines */
export async function repairAll(world: IntegrityWorld): Promise<{ readonly blocks: number; readonly lines: number }> {
  let [count, lines] = [0, 0];
  for await (const found of checkAll(world)) {
    if (found.problem === null) continue;
    await world.commits.write(0, found.putAside);
    count++;
    lines += found.lines;
  }
  return { blocks: count, lines };
}
