/** A block made: its figures, filters and body, with the checksums that tell damage from what was written. */
import { isAscii } from "node:buffer";

import { createFilter } from "./filter.ts";
import { findGrams } from "./grams.ts";
import { writeBody } from "./body.ts";
import { countLines, writeCounts } from "./counts.ts";
import { type Lines, sliceLines } from "./lines.ts";
import { dropUnusedSources } from "./regroup.ts";

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

/** Sorted lines in stretches that make a block each: of one day, and of equal size. */
export function splitLines(lines: Lines): Lines[] {
  const stretches: Lines[] = [];
  const { count, times, offsets } = lines;
  for (let from = 0; from < count;) {
    const dayEnds = (Math.floor((times[from] as number) / dayMs) + 1) * dayMs;
    const to = (times[count - 1] as number) < dayEnds ? count : times.findIndex((ms, i) => i > from && ms >= dayEnds);
    const bytes = (offsets[to] as number) - (offsets[from] as number);
    const blocks = Math.max(Math.ceil((to - from) / mostLines), Math.ceil(bytes / mostBytes));
    stretches.push(...splitEvenly(lines, from, to, Math.ceil(bytes / blocks), Math.ceil((to - from) / blocks)));
    from = to;
  }
  return stretches;
}

/** Parts of at most so many lines, and of so many bytes and one line. */
function splitEvenly(lines: Lines, from: number, to: number, bytes: number, most: number): Lines[] {
  const parts: Lines[] = [];
  for (let begin = from; begin < to;) {
    let end = Math.min(to, begin + most);
    const limit = (lines.offsets[begin] as number) + bytes;
    // the most that fits, by halving
    if ((lines.offsets[end] as number) > limit) {
      let low = begin + 1;
      while (low < end) {
        const middle = (low + end) >> 1;
        if ((lines.offsets[middle] as number) >= limit) end = middle;
        else low = middle + 1;
      }
    }
    parts.push(sliceLines(lines, begin, end));
    begin = end;
  }
  return parts;
}

/** Makes a block of sorted lines of one origin, at most as many as `splitLines` gives. */
export async function makeBlock(serverId: string, given: Lines, level: number): Promise<Block> {
  const lines = dropUnusedSources(given);
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
