/**
 * The durable buffer: everything is appended here before it is sent, and leaves when the hub has acknowledged it. A
 * SIGKILL at any moment loses nothing that was taken. `buffer.jsonl` holds one entry a line.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Deque } from "#src/lib/deque.ts";
import type { AgentEvent } from "#src/protocol/event.ts";

import { type Chunk, type ChunkQueue, addChunk, entriesOf, splitFirst } from "./chunks.ts";
import { encodeContainerLines } from "./container-lines.ts";
import type { ContainerChunk, Chunk as Lines, NewEntry } from "./door.ts";
import { type DropsBySource, addDrop } from "./drops.ts";
import { type Encoded, createEncoder } from "./encode.ts";
import type { Found } from "./files.ts";
import { type Home, openHome } from "./home.ts";
import { readSegment } from "./segment.ts";
import { createTally } from "./tally.ts";

/** Lines are encoded in slices of this size: 64 Ki empty lines make 7 MiB of entries, and that is the most at once. */
const sliceBytes = 64 * 1024;
/** Events are kept beyond the limit for entries, up to this many. */
const maxEvents = 1000;
/** What is to be sent next, in the order of its numbers; either log entries or one event. */
export type Batch = {
  readonly kind: "logs" | "event";
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** NDJSON; valid until the next `peek` */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** dropped since the batch was made: no loss, should the hub acknowledge it */
  readonly dropped: DropsBySource;
};

export type SpoolOptions = {
  readonly path: string;
  readonly overflowDir: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly bootId: string;
};

type World = {
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void; error(message: string): void };
  /** while the hub acknowledges, the limit of entries does not hold: its pipes hold the writers back instead */
  readonly limited: () => boolean;
  /** whole NDJSON lines, just taken */
  readonly onTaken: (source: string, ndjson: Uint8Array) => void;
};

export type Spool = ReturnType<typeof createSpool>;

/** Creates the buffer; nothing is touched before `open`. */
export function createSpool(options: SpoolOptions, world: World) {
  const { clock, log } = world;
  let home: Home | undefined;
  const encoder = createEncoder();
  const logs: ChunkQueue = new Deque();
  const events: ChunkQueue = new Deque();
  const tally = createTally(options.bootId, log);
  let nextSeq = 1;
  let entryCount = 0;
  let byteCount = 0;
  /** batches that are on their way to the hub, or ready to be */
  let inFlight: readonly Batch[] = [];
  let batchBuffer = Buffer.allocUnsafe(0);
  let dropBuffer = Buffer.allocUnsafe(0);

  function open(): void {
    home = openHome(options, log);
    tally.open(home);
    const { found, damaged } = home.files.recover();
    tally.countDropped(damaged);
    for (const each of found) index(each);
    nextSeq = tally.lastSeq(found.at(-1)?.entry.seq ?? 0, clock.now()) + 1;
    tally.save();
    home.files.start();
    if (entryCount > 0) log.info(`the buffer holds ${entryCount} entries (${byteCount} bytes) from before`);
  }

  function index({ segment, entry }: Found): void {
    const { seq, pos, source = "", stream = "", offset, bytes } = entry;
    if (typeof pos === "string") tally.setContainerPosition(String(entry.fields?.containerId), pos, seq);
    if (typeof pos === "number") tally.setPosition(source, stream, Math.max(pos, tally.position(source, stream) ?? 0));
    const event = entry.event !== undefined;
    if (tally.isGone(seq, event)) return;
    const ms = Date.parse(entry.at);
    const chunk = { source, stream, segment, first: seq, last: seq, offset, bytes, fromMs: ms, toMs: ms };
    enqueue(event ? events : logs, chunk);
  }

  function enqueue(queue: ChunkQueue, chunk: Chunk): void {
    entryCount += entriesOf(chunk);
    byteCount += chunk.bytes;
    // one event is one request, so events stay apart
    addChunk(queue, chunk, queue === events ? Number.POSITIVE_INFINITY : (inFlight.at(-1)?.last ?? 0));
  }

  /** The chunk is no longer wanted; the file it lies in goes with its last one. */
  function leave(chunk: Chunk): void {
    entryCount -= entriesOf(chunk);
    byteCount -= chunk.bytes;
    chunk.segment.live--;
    if (chunk.segment.live === 0) home?.files.discard(chunk.segment, () => tally.save());
  }

  /** Takes everything up to `last` out of both queues. */
  function leaveUpTo(last: number, each: (chunk: Chunk, queue: ChunkQueue) => void): void {
    for (const queue of [logs, events]) {
      for (let chunk = queue.first(); chunk !== undefined && chunk.last <= last; chunk = queue.first()) {
        queue.shift();
        tally.acknowledgedUpTo(chunk.last);
        each(chunk, queue);
        leave(chunk);
      }
    }
    tally.acknowledgedUpTo(last);
  }

  function append(queue: ChunkQueue, source: string, stream: string, encoded: Encoded, ms: number): boolean {
    const { bytes, count } = encoded;
    makeRoom(bytes.length);
    const place = home?.files.append(bytes, nextSeq);
    if (place === undefined) return false;
    const [first, last] = [nextSeq, nextSeq + count - 1];
    nextSeq += count;
    enqueue(queue, { source, stream, ...place, first, last, bytes: bytes.length, fromMs: ms, toMs: ms });
    if (queue === logs) world.onTaken(source, bytes);
    if (world.limited()) dropToLimit();
    return true;
  }

  /** The disk's share is bounded whatever the hub does. */
  function makeRoom(bytes: number): void {
    if (byteCount + bytes <= options.maxBytes) return;
    while (byteCount + bytes > options.maxBytes && logs.length > 0) dropOldest(entriesOf(logs.first()));
  }

  function dropToLimit(): void {
    let over = entryCount - events.length - options.maxEntries;
    if (over <= 0 && events.length <= maxEvents) return;
    while (over > 0 && logs.length > 0) over -= dropOldest(over);
    while (events.length > maxEvents) dropOldestEvent();
  }

  /**
   * Drops up to `wanted` of the oldest log entries. It is put down only when their file goes: until then a restart finds
   * them again, and drops and counts them again. @returns how many
   */
  function dropOldest(wanted: number): number {
    const chunk = logs.first();
    const count = Math.min(wanted, entriesOf(chunk));
    if (chunk === undefined || count <= 0) return 0;
    countDrop(chunk, chunk.source, count);
    tally.droppedUpTo(chunk.first + count - 1);
    if (count === entriesOf(chunk)) {
      logs.shift();
      leave(chunk);
      return count;
    }
    const cut = bytesOfLines(chunk, count);
    chunk.first += count;
    chunk.offset += cut;
    chunk.bytes -= cut;
    entryCount -= count;
    byteCount -= cut;
    return count;
  }

  function dropOldestEvent(): void {
    const chunk = events.shift();
    if (chunk === undefined) return;
    countDrop(chunk, "events", 1);
    leave(chunk);
  }

  function countDrop(chunk: Chunk, source: string, count: number): void {
    const { fromMs: from, toMs: to } = chunk;
    tally.countDropped(count, { source, from, to });
    for (const batch of inFlight) {
      const both = Math.min(chunk.first + count - 1, batch.last) - Math.max(chunk.first, batch.first) + 1;
      if (both > 0) addDrop(batch.dropped, source, { count: both, from, to });
    }
  }

  /** Bytes that the first `lines` entries of a chunk take. */
  function bytesOfLines(chunk: Chunk, lines: number): number {
    // what so many lines take on average, and some more; all of the chunk when that was too little
    const guess = Math.ceil((chunk.bytes / entriesOf(chunk)) * lines * 1.5) + 1024;
    for (const size of [Math.min(guess, chunk.bytes), chunk.bytes]) {
      if (dropBuffer.length < size) dropBuffer = Buffer.allocUnsafe(size);
      const bytes = dropBuffer.subarray(0, size);
      readSegment(chunk.segment, bytes, chunk.offset);
      let at = 0;
      let found = 0;
      for (let end = bytes.indexOf(10); end !== -1 && found < lines; end = bytes.indexOf(10, at)) {
        at = end + 1;
        found++;
      }
      if (found === lines) return at;
    }
    return chunk.bytes;
  }

  /**
   * The next entries to send, about `maxBytes` of them but at least one chunk; undefined when there are none.
   * @param after numbers up to this one are in a batch already
   */
  function peek(maxBytes: number, after = 0): Batch | undefined {
    const event = firstAfter(events, after);
    const chunks: Chunk[] = [];
    let bytes = 0;
    for (let i = 0; i < logs.length; i++) {
      const chunk = logs.at(i);
      if (chunk === undefined || (event !== undefined && chunk.first > event.first)) break;
      if (chunk.last <= after) continue;
      if (chunks.length > 0 && bytes + chunk.bytes > maxBytes) break;
      chunks.push(chunk);
      bytes += chunk.bytes;
    }
    if (chunks.length > 0) return readBatch("logs", chunks);
    return event === undefined ? undefined : readBatch("event", [event]);
  }

  function readBatch(kind: Batch["kind"], chunks: readonly Chunk[]): Batch {
    const size = chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    if (size > batchBuffer.length) batchBuffer = Buffer.allocUnsafe(size);
    let at = 0;
    let count = 0;
    for (const chunk of chunks) {
      at += readSegment(chunk.segment, batchBuffer.subarray(at, at + chunk.bytes), chunk.offset);
      count += entriesOf(chunk);
    }
    const [first, last] = [chunks[0]?.first ?? 0, chunks.at(-1)?.last ?? 0];
    const batch = { kind, first, last, count, bytes: batchBuffer.subarray(0, at), dropped: {} };
    inFlight = [...inFlight, batch];
    return batch;
  }

  function release(): void {
    inFlight = [];
  }

  return {
    open,
    peek,

    /** The hub has the batch. */
    acknowledge(batch: Batch): void {
      leaveUpTo(batch.last, (chunk) => {
        tally.countAcknowledged(entriesOf(chunk));
      });
      for (const [source, { count }] of Object.entries(batch.dropped)) {
        tally.countFound(count, source);
      }
      inFlight = inFlight.filter((other) => other !== batch);
      tally.save();
    },
    /** No batch is on its way any more: those that were not acknowledged stay. */
    release,
    /** Gives up a batch that the hub refuses for what it is; counted as dropped. */
    refuse(batch: Batch): void {
      release();
      leaveUpTo(batch.last, (chunk, queue) => {
        countDrop(chunk, queue === logs ? chunk.source : "events", entriesOf(chunk));
      });
      tally.save();
    },
    /** Cuts the oldest log entries in two after the first `entries`, so that a smaller batch can be tried. */
    split(entries: number): void {
      const chunk = logs.first();
      if (chunk !== undefined) splitFirst(logs, entries, bytesOfLines(chunk, entries));
    },

    /** Takes whole lines of a script. @returns false when not all can be written; the same chunk may be given again */
    takeLines(lines: Lines): boolean {
      const { source, stream, bytes, end, piece } = lines;
      const ms = clock.now();
      const at = timestamp(ms);
      if (piece !== undefined) {
        const encoded = encoder.encode(bytes, { seq: nextSeq, at, source, stream, end, piece });
        if (!append(logs, source, stream, encoded, ms)) return false;
        tally.setPosition(source, stream, end);
        return true;
      }
      const begin = end - bytes.length;
      // when the disk refused the second half of a chunk, the first half is not taken again
      let from = Math.max(0, (tally.position(source, stream) ?? 0) - begin);
      while (from < bytes.length) {
        const to = sliceEnd(bytes, from);
        const stamp = { seq: nextSeq, at, source, stream, end: begin + to };
        if (!append(logs, source, stream, encoder.encode(bytes.subarray(from, to), stamp), ms)) return false;
        tally.setPosition(source, stream, begin + to);
        from = to;
      }
      return true;
    },
    /** Takes lines of a container, all or none. @returns false when they can't be written */
    takeContainer(chunk: ContainerChunk): boolean {
      const encoded = encodeContainerLines(chunk, nextSeq);
      if (!append(logs, chunk.source, "container", encoded, clock.now())) return false;
      tally.setContainerPosition(chunk.containerId, chunk.position, nextSeq - 1);
      return true;
    },
    containerPosition: (id: string) => tally.containerPosition(id),
    setContainerPosition(id: string, position: string): void {
      tally.setContainerPosition(id, position, nextSeq - 1);
      tally.save();
    },
    keepContainerPositions: (ids: ReadonlySet<string>) => tally.keepContainerPositions(ids),
    /** Takes one entry. @returns false when it can't be written */
    takeEntry(entry: NewEntry, stream: string): boolean {
      const ms = clock.now();
      const { source, level, message, fields } = entry;
      const value = { seq: nextSeq, at: timestamp(ms), source, stream, level, message, ...(fields && { fields }) };
      return append(logs, source, stream, asLine(value), ms);
    },
    /** Takes one event. @returns false when it can't be written */
    takeEvent(event: AgentEvent): boolean {
      const ms = clock.now();
      return append(events, "events", "", asLine({ seq: nextSeq, at: timestamp(ms), event }), ms);
    },
    /** Counts lines of a stream that nobody could write down; reading goes on at `end`. */
    giveUp(source: string, stream: string, end: number, count: number): void {
      const now = clock.now();
      tally.countDropped(count, { source, from: now, to: now });
      tally.setPosition(source, stream, end);
      tally.save();
    },

    /** Takes out what was dropped since the last call. */
    takeDrops: () => tally.takeDrops(),
    /** Puts down what has been counted. */
    save: () => tally.save(),
    /** Up to where a stream is durable. */
    position: (source: string, stream: string) => tally.position(source, stream),
    /** Applies the limit of entries now. */
    enforceLimit: dropToLimit,
    /** fdatasync(2) of what was written since the last one. */
    sync: () => home?.files.sync(),
    /** Gives back memory that only a burst needed. */
    relax(): void {
      encoder.relax();
      batchBuffer = Buffer.allocUnsafe(0);
      dropBuffer = Buffer.allocUnsafe(0);
    },
    close(): void {
      if (home === undefined) return;
      tally.save();
      home.files.close();
      tally.close();
      home.lock.release();
      home = undefined;
    },
    counts: () => ({
      entries: entryCount,
      bytes: byteCount,
      ...tally.totals(),
    }),
  };
}

/** The oldest chunk behind number `after`. */
function firstAfter(queue: ChunkQueue, after: number): Chunk | undefined {
  for (let i = 0; i < queue.length; i++) {
    const chunk = queue.at(i);
    if (chunk !== undefined && chunk.last > after) return chunk;
  }
  return undefined;
}

function asLine(value: object): Encoded {
  return { bytes: Buffer.from(`${JSON.stringify(value)}\n`), count: 1 };
}

/** Where a slice of whole lines that begins at `from` ends. */
function sliceEnd(bytes: Uint8Array, from: number): number {
  if (bytes.length - from <= sliceBytes) return bytes.length;
  const newline = bytes.lastIndexOf(10, from + sliceBytes - 1);
  return newline >= from ? newline + 1 : bytes.indexOf(10, from + sliceBytes) + 1;
}
