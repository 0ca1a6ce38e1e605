/** The index of the buffer: which entries lie where, oldest first. */
import type { Deque } from "#src/lib/deque.ts";

import type { Segment } from "./segment.ts";

/** Neighbouring entries in one segment, all of one source and stream, numbered `first` to `last` without a gap. */
export type Chunk = {
  readonly source: string;
  readonly stream: string;
  readonly segment: Segment;
  first: number;
  last: number;
  offset: number;
  bytes: number;
  readonly fromMs: number;
  toMs: number;
};

export type ChunkQueue = Deque<Chunk>;

/** Neighbours grow into one chunk up to this size: a small index, and little to read when a part of one is dropped. */
const chunkBytes = 64 * 1024;

export function entriesOf(chunk: Chunk | undefined): number {
  return chunk === undefined ? 0 : chunk.last - chunk.first + 1;
}

/**
 * Adds a chunk, or lets its neighbour grow by it.
 * @param untouchable numbers up to this one are on their way to the hub, and a chunk of theirs must not grow
 */
export function addChunk(queue: ChunkQueue, chunk: Chunk, untouchable: number): void {
  const before = queue.last();
  const joins =
    before !== undefined &&
    before.segment === chunk.segment &&
    before.last + 1 === chunk.first &&
    before.offset + before.bytes === chunk.offset &&
    before.source === chunk.source &&
    before.stream === chunk.stream &&
    before.bytes + chunk.bytes <= chunkBytes &&
    before.last > untouchable;
  if (!joins) {
    chunk.segment.live++;
    queue.push(chunk);
    return;
  }
  before.last = chunk.last;
  before.bytes += chunk.bytes;
  before.toMs = chunk.toMs;
}

/** Splits the oldest chunk after its first `entries`, which take `bytes`. */
export function splitFirst(queue: ChunkQueue, entries: number, bytes: number): void {
  const chunk = queue.shift();
  if (chunk === undefined) return;
  const rest: Chunk[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) rest.push(next);
  const second = { ...chunk, first: chunk.first + entries, offset: chunk.offset + bytes, bytes: chunk.bytes - bytes };
  chunk.last = second.first - 1;
  chunk.bytes = bytes;
  chunk.segment.live++;
  for (const each of [chunk, second, ...rest]) queue.push(each);
}
