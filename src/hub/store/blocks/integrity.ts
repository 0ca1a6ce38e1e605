/** Whether what is stored is what was written. */
import type { Database } from "bun:sqlite";

import { reasonOf } from "#src/protocol/fault.ts";
import { type SenderRow, readSender } from "../deliveries.ts";
import type { Checked } from "../log-port.ts";
import { type Block, crcOf } from "./block.ts";
import { type BlockRow, type BlockRows, createBlockRows } from "./block-rows.ts";
import { countEntries } from "./body.ts";
import { openBody } from "./columns.ts";
import { readCounts } from "./counts.ts";
import { type HotRow, type HotRows, createHotRows, hotColumns } from "./hot-rows.ts";
import { createNames } from "./names.ts";
import { pieceOf } from "./pieces.ts";

export type IntegrityWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly hot: HotRows;
  /** awaited between two blocks */
  readonly breathe: () => Promise<void>;
};

/** What was found, and where it lies. */
export type Found =
  | (Checked & { readonly kind: "block"; readonly row: BlockRow; readonly bodyIsSound: boolean })
  | (Checked & { readonly kind: "hot"; readonly row: HotRow })
  | (Checked & { readonly kind: "sender" });

/** The parts of an integrity check on a connection that only reads; the store may be written meanwhile. */
export function readingWorld(database: Database, breathe: () => Promise<void>): IntegrityWorld {
  const sources = createNames(database, "sources");
  const blocks = createBlockRows(database, createNames(database, "origins"), sources);
  return { database, blocks, hot: createHotRows(database, sources), breathe };
}

/**
 * Goes through everything, by id: blocks, deliveries that are not in blocks, and what is remembered of senders. What is
 * written meanwhile may be left out. Throws SQLite's error where the file's structure can't be followed.
 */
export async function* checkAll(world: IntegrityWorld): AsyncGenerator<Found> {
  const { database, blocks, breathe } = world;
  const nextBlocks = database.query<{ id: number }, [number]>(
    "SELECT id FROM blocks WHERE id > ? ORDER BY id LIMIT 256",
  );
  const nextHot = database.query<{ id: number }, [number]>("SELECT id FROM chunks WHERE id > ? ORDER BY id LIMIT 256");
  const hotRow = database.query<HotRow, [number]>(`SELECT ${hotColumns} FROM chunks WHERE id = ?`);
  // at one moment, because a block may be joined with others or deleted between two questions
  const checkBlockNow = database.transaction((id: number) => {
    const row = blocks.row(id);
    return row === null ? undefined : checkBlock(world, row);
  });
  const checkHotNow = database.transaction((id: number) => {
    const row = hotRow.get(id);
    return row === null ? undefined : checkHot(world, row);
  });
  for (const [next, checkNow] of [
    [nextBlocks, checkBlockNow],
    [nextHot, checkHotNow],
  ] as const) {
    for (let last = Number.MIN_SAFE_INTEGER, ids = next.all(last); ids.length > 0; ids = next.all(last)) {
      for (const { id } of ids) {
        if (id <= last) throw circle();
        last = id;
        const found = checkNow(id);
        if (found !== undefined) yield found;
        await breathe();
      }
    }
  }
  yield* checkSenders(database);
}

/** As SQLite would have it, did it look: a damaged tree may give ids again and again. */
function circle(): Error {
  return Object.assign(new Error("ids are not in order"), { code: "SQLITE_CORRUPT" });
}

function checkBlock({ blocks }: IntegrityWorld, row: BlockRow): Found {
  const block = blocks.whole(row);
  const bodyProblem = bodyProblemOf(row, block);
  return {
    kind: "block",
    block: `block ${row.id}`,
    problem: bodyProblem ?? figuresProblemOf(row, block),
    bodyIsSound: bodyProblem === null,
    lines: row.lines,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    serverId: blocks.originName(row.origin),
    sources: blocks.sourceNames(row.id),
    row,
  };
}

function bodyProblemOf(row: BlockRow, block: Block | null): string | null {
  if (block === null) return "a part of it is missing";
  if (Bun.hash.crc32(block.body) !== row.body_crc) return "the checksum of its body is another";
  try {
    // what the row says of their number is looked at with its other figures
    const lines = countEntries(block.body);
    const columns = openBody(pieceOf({ ...row, lines }, block.serverId, null), block.body);
    for (let i = 0; i < columns.count; i++) columns.entry(i);
  } catch (error) {
    return reasonOf(error);
  }
  return null;
}

function figuresProblemOf(row: BlockRow, block: Block | null): string | null {
  if (block === null || crcOf(block) !== row.crc) return "the checksum of its figures and filters is another";
  try {
    readCounts(block.counts);
  } catch (error) {
    return reasonOf(error);
  }
  return null;
}

function checkHot({ hot, database }: IntegrityWorld, row: HotRow): Found {
  let problem: string | null = null;
  try {
    // it could not be told whose it is (disputes.ts)
    if (typeof row.server !== "string" || row.server === "") throw new RangeError("it does not say whose it is");
    hot.open(row);
  } catch (error) {
    problem = reasonOf(error);
  }
  const names = database.query<{ name: string }, [number]>(
    "SELECT sources.name FROM chunk_sources JOIN sources ON sources.id = source WHERE chunk = ? ORDER BY source",
  );
  return {
    kind: "hot",
    block: `delivery ${row.id}`,
    problem,
    lines: row.last_position - row.id + 1,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    serverId: row.server,
    sources: names.all(row.id).map(({ name }) => name),
    row,
  };
}

/** What is remembered of senders has no lines; damaged, repeated deliveries would not be known. */
function* checkSenders(database: Database): Generator<Found> {
  const senders = database.query<SenderRow & { server: string }, []>("SELECT * FROM senders");
  for (const row of senders.iterate()) {
    try {
      readSender(row.server, { ...row, crc: row.crc ?? null });
    } catch (error) {
      const problem = reasonOf(error);
      const figures = { lines: 0, firstMs: 0, lastMs: 0, serverId: row.server, sources: [] };
      yield { kind: "sender", block: `sender ${row.server}`, problem, ...figures };
    }
  }
}
