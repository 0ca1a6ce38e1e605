/** A chunk: the entries of one delivery as NDJSON in zstd, and the figures that let a search pass it by. */
import { type Level, type LogEntry, levels } from "#src/protocol/log.ts";

/** Bigger deliveries are stored in several chunks, so that a reader never has to inflate more than this at once. */
export const maxChunkBytes = 4 * 1024 * 1024;
const maxChunkEntries = 16_384;

/** Level 1 beats level 3 in speed and size on log lines (measured). */
const zstdLevel = 1;

/** What is stored of a stretch of entries. */
export type Chunk = {
  readonly count: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** bit n: an entry of level n is inside */
  readonly levels: number;
  readonly sources: readonly string[];
  readonly rawBytes: number;
  readonly body: Uint8Array;
};

const bitOf: ReadonlyMap<Level, number> = new Map(levels.map((level, rank) => [level, 1 << rank]));

/** The bits of a level and all that are worse. */
export function levelsFrom(level: Level): number {
  const all = 2 ** levels.length - 1;
  return all & ~((bitOf.get(level) ?? 1) - 1);
}

/** The bit of one level. */
export function levelBit(level: Level): number {
  return bitOf.get(level) ?? 0;
}

/** What of a delivery goes into chunks: entries, their times, and their bytes when those can be kept as they came. */
export type Stretch = {
  readonly entries: readonly LogEntry[];
  readonly times: ArrayLike<number>;
  readonly ndjson: Uint8Array | null;
  readonly zstd: Uint8Array | null;
};

/** The chunks of a stretch: one as a rule, more when it is big. */
export function chunksOf(stretch: Stretch): Chunk[] {
  const { entries, times, ndjson } = stretch;
  if (entries.length === 0) return [];
  if (ndjson !== null && ndjson.length <= maxChunkBytes) {
    return [describe(entries, times, 0, entries.length, ndjson.length, stretch.zstd ?? compress(ndjson))];
  }
  const chunks: Chunk[] = [];
  for (let from = 0; from < entries.length;) {
    let text = "";
    let to = from;
    do {
      text += `${JSON.stringify(entries[to])}\n`;
      to++;
    } while (to < entries.length && to - from < maxChunkEntries && text.length < maxChunkBytes / 4);
    const raw = Buffer.from(text);
    chunks.push(describe(entries, times, from, to, raw.length, compress(raw)));
    from = to;
  }
  return chunks;
}

/** The entries of a chunk's body. */
export function readChunk(body: Uint8Array): LogEntry[] {
  return Bun.JSONL.parse(Bun.zstdDecompressSync(body)) as LogEntry[];
}

function compress(raw: Uint8Array): Uint8Array {
  return Bun.zstdCompressSync(raw, { level: zstdLevel });
}

function describe(
  entries: readonly LogEntry[],
  times: ArrayLike<number>,
  from: number,
  to: number,
  rawBytes: number,
  body: Uint8Array,
): Chunk {
  let firstSeq = Infinity;
  let lastSeq = -1;
  let firstMs = Infinity;
  let lastMs = -Infinity;
  let mask = 0;
  let lastSource = "";
  const sources = new Set<string>();
  for (let i = from; i < to; i++) {
    const entry = entries[i];
    const ms = times[i];
    if (entry === undefined || ms === undefined) continue;
    if (entry.seq < firstSeq) firstSeq = entry.seq;
    if (entry.seq > lastSeq) lastSeq = entry.seq;
    if (ms < firstMs) firstMs = ms;
    if (ms > lastMs) lastMs = ms;
    mask |= levelBit(entry.level);
    if (entry.source !== lastSource) {
      lastSource = entry.source;
      sources.add(lastSource);
    }
  }
  return { count: to - from, firstSeq, lastSeq, firstMs, lastMs, levels: mask, sources: [...sources], rawBytes, body };
}
