/**
 * A chunk: the entries of one delivery as a row, and the figures that let a search pass it by. Its body is what came, NDJSON
 * in zstd; or columns (blocks/body.ts), when it came otherwise or was changed on the way.
 */
import { columnsOf } from "#src/protocol/columns/builder.ts";
import { scanEntries } from "#src/protocol/columns/scan.ts";
import { sliceColumns } from "#src/protocol/columns/stretch.ts";
import { parseInstant } from "#src/lib/instant.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { type Level, type LogEntry, levels } from "#src/protocol/log.ts";
import { readBody, writeBodySync } from "./blocks/body.ts";

/** Bigger deliveries are stored in several chunks, so that a reader never has to inflate more than this at once. */
export const maxChunkBytes = 4 * 1024 * 1024;
/** What each of several then has at most, and a line; in messages and fields. */
const partBytes = 1024 * 1024;
const partEntries = 16_384;

/** Level 1 beats level 3 in speed and size on log lines (measured). */
const zstdLevel = 1;
/** RFC 8878 section 3.1.1; a body of columns begins with the length of its first frame, which is never that long. */
const zstdMagic = 0xfd2fb528;

/** What is stored of a stretch of entries. */
export type Chunk = {
  readonly columns: LogColumns;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** bit n: an entry of level n is inside */
  readonly levels: number;
  /** of messages and fields */
  readonly rawBytes: number;
  readonly body: Uint8Array;
};

/** The bits of a level and all that are worse. */
export function levelsFrom(level: Level): number {
  const all = 2 ** levels.length - 1;
  return all & ~(levelBit(level) - 1);
}

/** The bit of one level. */
export function levelBit(level: Level): number {
  return 1 << levels.indexOf(level);
}

/** The chunks of a delivery: one as a rule, more when it is big. `zstd`: the same entries as NDJSON in zstd. */
export function chunksOf(columns: LogColumns, zstd: Uint8Array | null): Chunk[] {
  if (columns.count === 0) return [];
  if (rawBytesOf(columns) <= maxChunkBytes) return [describe(columns, zstd ?? encode(columns))];
  const { offsets, fields } = columns;
  const chunks: Chunk[] = [];
  for (let from = 0; from < columns.count;) {
    let to = from;
    for (let bytes = 0; to < columns.count && to - from < partEntries && bytes < partBytes; to++) {
      bytes += (offsets[to + 1] as number) - (offsets[to] as number) + (fields?.[to]?.length ?? 0);
    }
    const part = sliceColumns(columns, from, to);
    chunks.push(describe(part, encode(part)));
    from = to;
  }
  return chunks;
}

/** Bytes of messages and, about, of fields. */
export function rawBytesOf({ text, fields }: LogColumns): number {
  return text.length + (fields?.reduce((sum, own) => sum + own.length, 0) ?? 0);
}

/** The entries of a chunk's body. Throws when it is damaged. */
export function readChunk(body: Uint8Array): LogColumns {
  if (body.length < 4 || Buffer.from(body.buffer, body.byteOffset, 4).readUInt32LE() !== zstdMagic)
    return readBody(body);
  const plain = Bun.zstdDecompressSync(body);
  const scanned = scanEntries(plain);
  if (scanned !== null) return scanned;
  // bytes that are no UTF-8: they were taken with U+FFFD in their place
  const entries = Bun.JSONL.parse(plain) as LogEntry[];
  return columnsOf(
    entries,
    entries.map(({ at }) => parseInstant(at)),
  );
}

function encode(columns: LogColumns): Uint8Array {
  // what its positions are, the row says
  return writeBodySync({ ...columns, positions: columns.seqs }, zstdLevel);
}

function describe(columns: LogColumns, body: Uint8Array): Chunk {
  const { count, seqs, times, levels: ranks } = columns;
  let firstSeq = Infinity;
  let lastSeq = -1;
  let firstMs = Infinity;
  let lastMs = -Infinity;
  let mask = 0;
  for (let i = 0; i < count; i++) {
    const seq = seqs[i] as number;
    const ms = times[i] as number;
    if (seq < firstSeq) firstSeq = seq;
    if (seq > lastSeq) lastSeq = seq;
    if (ms < firstMs) firstMs = ms;
    if (ms > lastMs) lastMs = ms;
    mask |= 1 << (ranks[i] as number);
  }
  return { columns, firstSeq, lastSeq, firstMs, lastMs, levels: mask, rawBytes: rawBytesOf(columns), body };
}
