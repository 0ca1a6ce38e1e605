/** A block made: its figures, filters and body, with the checksums that tell damage from what was written. */
import { isAscii } from "node:buffer";

import { createFilter } from "./filter.ts";
import { findGrams } from "./grams.ts";
import { writeBody } from "./body.ts";
import { countLines, writeCounts } from "./counts.ts";
import type { Lines } from "./lines.ts";

/** Most entries and bytes of messages in a block: what a search opens at once. */
export const mostLines = 8192;
export const mostBytes = 1024 * 1024;
/** Blocks below both are merged with others of their origin. */
const smallLines = 2048;
const smallBytes = 256 * 1024;
/** Days are not mixed: retention deletes whole blocks. */
export const dayMs = 86_400_000;

/** Level 1 beats level 3 in speed and size on log lines (measured). */
export const quickLevel = 1;
/** Level 9 saves an eighth of level 1 for about ten times the time, and is inflated faster. */
export const hardLevel = 9;
/** Of a smaller body nothing is saved. */
const leastPressedBytes = 4096;

/** The level that a body counts as: one that is not worth being pressed harder counts as pressed. */
export function levelOf(body: Uint8Array, level: number): number {
  return body.length < leastPressedBytes ? hardLevel : level;
}

export type Block = {
  readonly serverId: string;
  readonly sources: readonly string[];
  readonly lines: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly levels: number;
  readonly streams: number;
  readonly rawBytes: number;
  readonly small: boolean;
  readonly counts: Uint8Array;
  readonly words: Uint8Array;
  readonly numbers: Uint8Array;
  readonly body: Uint8Array;
};

/** Makes a block of sorted lines of one origin, at most as many as `cutGroup` (cutting.ts) gives. */
export async function makeBlock(serverId: string, lines: Lines, level: number): Promise<Block> {
  const { count, times, text, fields } = lines;
  const grams = findGrams(...indexed(lines));
  const body = await writeBody(lines, grams.newlines, level);
  const { words, numbers } = createFilter(grams, body.length);
  const rawBytes = text.length + (fields?.reduce((sum, own) => sum + own.length, 0) ?? 0);
  const [firstPosition, lastPosition] = range(lines.positions);
  return {
    serverId,
    sources: lines.sources,
    lines: count,
    firstMs: times[0] ?? 0,
    lastMs: times[count - 1] ?? 0,
    firstPosition,
    lastPosition,
    levels: bitsOf(lines.levels),
    streams: bitsOf(lines.streams),
    rawBytes,
    small: count < smallLines && rawBytes < smallBytes,
    counts: writeCounts(countLines(times, lines.levels)),
    words,
    numbers,
    body,
  };
}

/** What filters are made of: text in lower case, ASCII aside, which is folded on the way. Newlines stay as they are. */
function indexed({ text, fields }: Lines): Uint8Array[] {
  const texts: Uint8Array[] = [isAscii(text) ? text : Buffer.from(text.toString().toLowerCase())];
  if (fields !== null) texts.push(Buffer.from(fields.join("\n").toLowerCase()));
  return texts;
}

function range(values: Float64Array): [least: number, most: number] {
  let least = Infinity;
  let most = -Infinity;
  // by index: iterators of typed arrays take longer than all the rest
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

function bitsOf(ranks: Uint8Array): number {
  let bits = 0;
  for (let i = 0; i < ranks.length; i++) bits |= 1 << (ranks[i] as number);
  return bits;
}

/** CRC-32 of everything of a block but its body. */
export function crcOf(block: Omit<Block, "body">): number {
  const { serverId, sources, lines, firstMs, lastMs, firstPosition, lastPosition, levels, streams, rawBytes } = block;
  const figures = [
    serverId,
    sources.toSorted(),
    lines,
    firstMs,
    lastMs,
    firstPosition,
    lastPosition,
    levels,
    streams,
    rawBytes,
  ];
  let crc = Bun.hash.crc32(JSON.stringify(figures));
  for (const part of [block.counts, block.words, block.numbers]) crc = Bun.hash.crc32(part, crc);
  return crc;
}
