/** Blocks as rows: put in, read whole, taken out. Everything here runs within a transaction of the caller. */
import type { Database } from "bun:sqlite";

import { type Block, crcOf, levelOf } from "./block.ts";
import type { Names } from "./names.ts";

export type BlockRow = {
  readonly id: number;
  readonly origin: number;
  readonly source: number;
  readonly lines: number;
  readonly first_ms: number;
  readonly last_ms: number;
  readonly first_position: number;
  readonly last_position: number;
  readonly levels: number;
  readonly streams: number;
  readonly raw_bytes: number;
  readonly bytes: number;
  readonly small: number;
  readonly pressed: number;
  readonly body_crc: number;
  readonly crc: number;
  readonly counts: Uint8Array;
};

export type BlockRows = {
  /** `level`: of zstd, that its body was made with. */
  readonly put: (block: Block, level: number) => void;
  /** @returns whether it was there */
  readonly remove: (id: number) => boolean;
  /** Another body with the same entries. */
  readonly putBody: (id: number, body: Uint8Array, level: number) => void;
  readonly row: (id: number) => BlockRow | null;
  readonly body: (id: number) => Uint8Array | null;
  readonly filters: (id: number) => Pick<Block, "words" | "numbers"> | null;
  /** Whether its body is as it was written; null: there is no such block, or no body. */
  readonly readable: (id: number) => boolean | null;
  /** The block with what it is called, as its checksum covers it. */
  readonly whole: (row: BlockRow) => Block | null;
  readonly originName: (id: number) => string;
  readonly sourceNames: (block: number) => readonly string[];
};

const columns =
  "origin, source, lines, first_ms, last_ms, first_position, last_position, levels, streams, raw_bytes, bytes, small, pressed, body_crc, crc, counts";
export const blockColumns = `id, ${columns}`;

export function createBlockRows(database: Database, origins: Names, sources: Names): BlockRows {
  const insert = database.prepare(`INSERT INTO blocks (${columns}) VALUES (${columns.replaceAll(/[a-z_]+/g, "?")})`);
  const addSource = database.prepare("INSERT INTO block_sources (source, last_ms, block) VALUES (?, ?, ?)");
  const addWords = database.prepare("INSERT INTO block_words (block, filter) VALUES (?, ?)");
  const addNumbers = database.prepare("INSERT INTO block_numbers (block, filter) VALUES (?, ?)");
  const addBody = database.prepare("INSERT INTO block_bodies (block, body) VALUES (?, ?)");
  const removals = ["block_sources", "block_words", "block_numbers", "block_bodies"].map((table) =>
    database.prepare<unknown, [number]>(`DELETE FROM ${table} WHERE block = ?`),
  );
  const removeBlock = database.prepare<unknown, [number]>("DELETE FROM blocks WHERE id = ?");
  const changeBody = database.prepare<unknown, [Uint8Array, number]>(
    "UPDATE block_bodies SET body = ? WHERE block = ?",
  );
  const changeBlock = database.prepare<unknown, [number, number, number, number]>(
    "UPDATE blocks SET bytes = ?, pressed = ?, body_crc = ? WHERE id = ?",
  );
  const rowOf = database.prepare<BlockRow, [number]>(`SELECT ${blockColumns} FROM blocks WHERE id = ?`);
  const bodyOf = database.prepare<{ body: Uint8Array }, [number]>("SELECT body FROM block_bodies WHERE block = ?");
  const wordsOf = database.prepare<{ filter: Uint8Array }, [number]>("SELECT filter FROM block_words WHERE block = ?");
  const numbersOf = database.prepare<{ filter: Uint8Array }, [number]>(
    "SELECT filter FROM block_numbers WHERE block = ?",
  );
  const originOf = database.prepare<{ name: string }, [number]>("SELECT name FROM origins WHERE id = ?");
  const sourcesOf = database.prepare<{ name: string }, [number]>(
    "SELECT sources.name FROM block_sources JOIN sources ON sources.id = source WHERE block = ? ORDER BY source",
  );

  const originName = (id: number) => originOf.get(id)?.name ?? "";
  const sourceNames = (block: number) => sourcesOf.all(block).map((row) => row.name);
  const body = (id: number) => bodyOf.get(id)?.body ?? null;
  const filters = (id: number) => {
    const [words, numbers] = [wordsOf.get(id)?.filter, numbersOf.get(id)?.filter];
    return words === undefined || numbers === undefined ? null : { words, numbers };
  };

  return {
    put(block, level) {
      const ids = block.sources.map((name) => sources.id(name));
      const [only = 0] = ids;
      const bytes = block.body.length + block.words.length + block.numbers.length + block.counts.length;
      const { lastInsertRowid } = insert.run(
        origins.id(block.serverId),
        ids.length === 1 ? only : 0,
        block.lines,
        block.firstMs,
        block.lastMs,
        block.firstPosition,
        block.lastPosition,
        block.levels,
        block.streams,
        block.rawBytes,
        bytes,
        block.small ? 1 : 0,
        levelOf(block.body, level),
        Bun.hash.crc32(block.body),
        crcOf(block),
        block.counts,
      );
      const id = Number(lastInsertRowid);
      for (const source of ids) addSource.run(source, block.lastMs, id);
      addWords.run(id, block.words);
      addNumbers.run(id, block.numbers);
      addBody.run(id, block.body);
    },
    remove(id) {
      for (const removal of removals) removal.run(id);
      return removeBlock.run(id).changes > 0;
    },
    putBody(id, bytes, level) {
      const row = rowOf.get(id);
      const old = body(id);
      if (row === null || old === null) return;
      changeBody.run(bytes, id);
      changeBlock.run(row.bytes - old.length + bytes.length, level, Bun.hash.crc32(bytes), id);
    },
    row: (id) => rowOf.get(id),
    body,
    filters,
    readable(id) {
      const row = rowOf.get(id);
      const bytes = body(id);
      return row === null || bytes === null ? null : Bun.hash.crc32(bytes) === row.body_crc;
    },
    whole(row) {
      const [stored, bytes] = [filters(row.id), body(row.id)];
      if (stored === null || bytes === null) return null;
      return {
        serverId: originName(row.origin),
        sources: sourceNames(row.id),
        lines: row.lines,
        firstMs: row.first_ms,
        lastMs: row.last_ms,
        firstPosition: row.first_position,
        lastPosition: row.last_position,
        levels: row.levels,
        streams: row.streams,
        rawBytes: row.raw_bytes,
        small: row.small === 1,
        counts: row.counts,
        ...stored,
        body: bytes,
      };
    },
    originName,
    sourceNames,
  };
}
