/**
 * The durable buffer: everything is appended here before it is sent, and leaves when the hub has acknowledged it. A
 * SIGKILL at any moment loses nothing that was taken. `buffer.jsonl` holds one entry a line.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import type { AgentEvent } from "#src/protocol/event.ts";

import { type Kind, createBacklog, kinds } from "./backlog.ts";
import { type Batch, createBatches } from "./batches.ts";
import { type Chunk, entriesOf, splitFirst } from "./chunks.ts";
import { encodeContainerLines } from "./container-lines.ts";
import type { ContainerChunk, Chunk as Lines, NewEntry } from "./door.ts";
import { type Encoded, createEncoder } from "./encode.ts";
import type { Found } from "./files.ts";
import { type Home, openHome } from "./home.ts";
import { createLineBytes } from "./line-bytes.ts";
import { createRoom } from "./room.ts";
import { createTally } from "./tally.ts";

/** Lines are encoded in slices of this size: 64 Ki empty lines make 7 MiB of entries, and that is the most at once. */
const sliceBytes = 64 * 1024;

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
  /** lines of containers are never dropped, since the engine keeps what is not taken; false where nobody will take them */
  readonly keepsContainers: () => boolean;
  /** whole NDJSON lines, just taken */
  readonly onTaken: (source: string, ndjson: Uint8Array) => void;
};

export type Spool = ReturnType<typeof createSpool>;

/** Creates the buffer; nothing is touched before `open`. */
export function createSpool(options: SpoolOptions, world: World) {
  const { clock, log } = world;
  let home: Home | undefined;
  const encoder = createEncoder();
  const backlog = createBacklog();
  const lineBytes = createLineBytes();
  const batches = createBatches(backlog);
  const tally = createTally(options.bootId, log);
  const { keepsContainers } = world;
  const room = createRoom({ limits: options, backlog, batches, tally, lineBytes, keepsContainers, leave });
  let nextSeq = 1;

  function open(): void {
    home = openHome(options, log);
    tally.open(home);
    const { found, damaged } = home.files.recover();
    tally.countDropped(damaged);
    for (const each of found) index(each);
    nextSeq = tally.lastSeq(found.at(-1)?.entry.seq ?? 0, clock.now()) + 1;
    tally.save();
    home.files.start();
    const { entries, bytes } = backlog.all();
    if (entries > 0) log.info(`the buffer holds ${entries} entries (${bytes} bytes) from before`);
  }

  function index({ segment, entry }: Found): void {
    const { seq, pos, source = "", stream = "", offset, bytes } = entry;
    if (typeof pos === "string") tally.setContainerPosition(String(entry.fields?.containerId), pos, seq);
    if (typeof pos === "number") tally.setPosition(source, stream, Math.max(pos, tally.position(source, stream) ?? 0));
    const kind = entry.event !== undefined ? "events" : stream === "container" ? "containers" : "lines";
    if (tally.isGone(seq, kind)) return;
    const ms = Date.parse(entry.at);
    backlog.add(kind, { source, stream, segment, first: seq, last: seq, offset, bytes, fromMs: ms, toMs: ms }, 0);
  }

  /** The chunk is no longer wanted; the file it lies in goes with its last one. */
  function leave({ segment }: Chunk): void {
    segment.live--;
    if (segment.live === 0) home?.files.discard(segment, () => tally.save());
  }

  /** Takes everything up to `last` out, whatever it is. */
  function leaveUpTo(last: number, each: (chunk: Chunk, kind: Kind) => void): void {
    for (const kind of kinds) {
      for (let chunk = backlog.first(kind); chunk !== undefined && chunk.last <= last; chunk = backlog.first(kind)) {
        backlog.shift(kind);
        tally.acknowledgedUpTo(chunk.last);
        each(chunk, kind);
        leave(chunk);
      }
    }
    tally.acknowledgedUpTo(last);
  }

  function append(kind: Kind, source: string, stream: string, encoded: Encoded, ms: number): boolean {
    const { bytes, count } = encoded;
    if (!room.make(kind, bytes.length)) return false;
    const place = home?.files.append(bytes, nextSeq);
    if (place === undefined) return false;
    const [first, last] = [nextSeq, nextSeq + count - 1];
    nextSeq += count;
    const chunk = { source, stream, ...place, first, last, bytes: bytes.length, fromMs: ms, toMs: ms };
    backlog.add(kind, chunk, batches.last());
    if (kind !== "events") world.onTaken(source, bytes);
    if (world.limited()) room.dropToLimit();
    return true;
  }

  return {
    open,
    /** See {@link Batches.peek}. */
    peek: (maxBytes: number, after = 0) => batches.peek(maxBytes, after),

    /** The hub has the batch. */
    acknowledge(batch: Batch): void {
      leaveUpTo(batch.last, (chunk) => {
        tally.countAcknowledged(entriesOf(chunk));
      });
      for (const [source, { count }] of Object.entries(batch.dropped)) {
        tally.countFound(count, source);
      }
      batches.finish(batch);
      tally.save();
    },
    /** No batch is on its way any more: those that were not acknowledged stay. */
    release: () => batches.release(),
    /** Gives up a batch that the hub refuses for what it is; counted as dropped. */
    refuse(batch: Batch): void {
      batches.release();
      leaveUpTo(batch.last, (chunk, kind) => {
        room.count(chunk, kind, entriesOf(chunk));
      });
      tally.save();
    },
    /** Cuts the oldest log entries in two after the first `entries`, so that a smaller batch can be tried. */
    split(entries: number): void {
      const oldest = backlog.oldest();
      if (oldest !== undefined) splitFirst(oldest.queue, entries, lineBytes.of(oldest.chunk, entries));
    },

    /** Takes whole lines of a script. @returns false when not all can be written; the same chunk may be given again */
    takeLines(lines: Lines): boolean {
      const { source, stream, bytes, end, piece } = lines;
      const ms = clock.now();
      const at = timestamp(ms);
      if (piece !== undefined) {
        const encoded = encoder.encode(bytes, { seq: nextSeq, at, source, stream, end, piece });
        if (!append("lines", source, stream, encoded, ms)) return false;
        tally.setPosition(source, stream, end);
        return true;
      }
      const begin = end - bytes.length;
      // when the disk refused the second half of a chunk, the first half is not taken again
      let from = Math.max(0, (tally.position(source, stream) ?? 0) - begin);
      while (from < bytes.length) {
        const to = sliceEnd(bytes, from);
        const stamp = { seq: nextSeq, at, source, stream, end: begin + to };
        if (!append("lines", source, stream, encoder.encode(bytes.subarray(from, to), stamp), ms)) return false;
        tally.setPosition(source, stream, begin + to);
        from = to;
      }
      return true;
    },
    /** Takes lines of a container, all or none. @returns false when they can't be written */
    takeContainer(chunk: ContainerChunk): boolean {
      const encoded = encodeContainerLines(chunk, nextSeq);
      if (!append("containers", chunk.source, "container", encoded, clock.now())) return false;
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
      return append("lines", source, stream, asLine(value), ms);
    },
    /** Takes one event. @returns false when it can't be written */
    takeEvent(event: AgentEvent): boolean {
      const ms = clock.now();
      return append("events", "events", "", asLine({ seq: nextSeq, at: timestamp(ms), event }), ms);
    },
    /** Counts lines of a stream that nobody could write down; reading goes on at `end`. */
    giveUp(source: string, stream: string, end: number, count: number): void {
      const now = clock.now();
      tally.countDropped(count, { source, from: now, to: now });
      tally.setPosition(source, stream, end);
      tally.save();
    },

    /** Counts lines of a container that were never read. How many, nobody knows: at least one. */
    countMissed(source: string, from: number, to: number): void {
      tally.countDropped(1, { source, from, to });
      tally.save();
    },
    /** Takes out what was dropped since the last call. */
    takeDrops: () => tally.takeDrops(),
    /** Puts down what has been counted. */
    save: () => tally.save(),
    /** Up to where a stream is durable. */
    position: (source: string, stream: string) => tally.position(source, stream),
    /** Applies the limit of entries now. */
    enforceLimit: () => room.dropToLimit(),
    /** fdatasync(2) of what was written since the last one. */
    sync: () => home?.files.sync(),
    /** Gives back memory that only a burst needed. */
    relax(): void {
      encoder.relax();
      batches.relax();
      lineBytes.relax();
    },
    close(): void {
      if (home === undefined) return;
      tally.save();
      home.files.close();
      tally.close();
      home.lock.release();
      home = undefined;
    },
    counts: () => ({ ...backlog.all(), ...tally.totals() }),
    /** Whether containers have used up what is theirs while the hub is away: entries, and the files that these hold. */
    containersAreFull: () =>
      backlog.of("containers").entries >= room.containerShare() || (home?.files.size() ?? 0) > options.maxBytes / 2,
  };
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
