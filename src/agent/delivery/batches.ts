/** Batches: what is read out of the buffer's files to be sent, and which of them are on their way. */
import type { Backlog } from "./backlog.ts";
import { type Chunk, entriesOf } from "./chunks.ts";
import { type DropsBySource, addDrop } from "./drops.ts";
import { readSegment } from "./segment.ts";

/** What is to be sent next, in the order of its numbers; either log entries or one event. */
export type Batch = {
  readonly kind: "logs" | "event";
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** NDJSON; valid until the next `peek` */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** lines of containers are among them */
  readonly containers: boolean;
  /** dropped since the batch was made: no loss, should the hub acknowledge it */
  readonly dropped: DropsBySource;
};

export type Batches = {
  /**
   * The next entries to send, about `maxBytes` of them but at least one chunk; undefined when there are none.
   * @param after numbers up to this one are in a batch already
   */
  peek(maxBytes: number, after?: number): Batch | undefined;
  /** The highest number that is in a batch; 0: none is. */
  last(): number;
  /** This one has arrived. */
  finish(batch: Batch): void;
  /** No batch is on its way any more. */
  release(): void;
  /** The first `count` entries of a chunk are dropped: should a batch with some of them arrive, these are not lost. */
  noteDrop(chunk: Chunk, source: string, count: number): void;
  /** Gives back memory that only a burst needed. */
  relax(): void;
};

export function createBatches(backlog: Pick<Backlog, "next">): Batches {
  let inFlight: readonly Batch[] = [];
  let buffer = Buffer.allocUnsafe(0);

  function read(kind: Batch["kind"], chunks: readonly Chunk[]): Batch {
    const size = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    if (size > buffer.length) buffer = Buffer.allocUnsafe(size);
    let at = 0;
    let count = 0;
    for (const chunk of chunks) {
      at += readSegment(chunk.segment, buffer.subarray(at, at + chunk.bytes), chunk.offset);
      count += entriesOf(chunk);
    }
    const [first, last] = [chunks[0]?.first ?? 0, chunks.at(-1)?.last ?? 0];
    const containers = kind === "logs" && chunks.some(({ stream }) => stream === "container");
    return { kind, first, last, count, bytes: buffer.subarray(0, at), containers, dropped: {} };
  }

  return {
    peek(maxBytes, after = 0) {
      const { kind, chunks } = backlog.next(maxBytes, after);
      if (chunks.length === 0) return undefined;
      const batch = read(kind, chunks);
      inFlight = [...inFlight, batch];
      return batch;
    },
    last: () => inFlight.at(-1)?.last ?? 0,
    finish(batch) {
      inFlight = inFlight.filter((other) => other !== batch);
    },
    release() {
      inFlight = [];
    },
    noteDrop({ first, fromMs: from, toMs: to }, source, count) {
      for (const batch of inFlight) {
        const both = Math.min(first + count - 1, batch.last) - Math.max(first, batch.first) + 1;
        if (both > 0) addDrop(batch.dropped, source, { count: both, from, to });
      }
    },
    relax() {
      buffer = Buffer.allocUnsafe(0);
    },
  };
}
