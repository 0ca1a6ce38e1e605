/** Rows as searches see them. */
import { streams } from "#src/protocol/log.ts";
import type { BlockRow } from "./block-rows.ts";
import type { HotRow } from "./hot-rows.ts";
import type { Piece } from "./reader-port.ts";

const anyStream = 2 ** streams.length - 1;

export function pieceOf(row: Omit<BlockRow, "counts">, serverId: string, source: string | null): Piece {
  return {
    kind: "block",
    id: row.id,
    serverId,
    source,
    lines: row.lines,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    firstPosition: row.first_position,
    lastPosition: row.last_position,
    levels: row.levels,
    streams: row.streams,
    rawBytes: row.raw_bytes,
  };
}

export function hotPieceOf(row: HotRow): Piece {
  return {
    kind: "hot",
    id: row.id,
    serverId: row.server,
    source: null,
    lines: row.last_position - row.id + 1,
    firstMs: row.first_ms,
    lastMs: row.last_ms,
    firstPosition: row.id,
    lastPosition: row.last_position,
    levels: row.levels,
    streams: anyStream,
    rawBytes: row.raw_bytes,
  };
}
