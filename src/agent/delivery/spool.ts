/**
 * The durable buffer: everything is appended here before it is sent, and leaves when the hub has acknowledged it. A
 * SIGKILL at any moment loses nothing that was taken. `buffer.jsonl` holds one entry a line.
 */
import { readdirSync } from "node:fs";
import { basename, dirname } from "node:path";

import { type Clock, timestamp } from "#src/lib/clock.ts";
import { Deque } from "#src/lib/deque.ts";
import { makeFolder } from "#src/lib/files.ts";
import type { AgentEvent, DropCount } from "#src/protocol/event.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import type { Chunk as Lines, NewEntry } from "./door.ts";
import { type Encoded, createEncoder } from "./encode.ts";
import { type Drops, type Progress, openProgress, readProgress } from "./progress.ts";
import { type KeptEntry, recoverSegment } from "./recover.ts";
import {
  type Segment,
  appendToSegment,
  openSegment,
  readSegment,
  removeSegment,
  renameSegment,
  syncSegment,
  truncateSegment,
} from "./segment.ts";

/** A segment is closed at this size and deleted whole once nothing in it is wanted. */
const segmentBytes = 8 * 1024 * 1024;
/** Neighbouring entries of one stream are kept as one chunk up to this size, so that the index stays small. */
const chunkBytes = 64 * 1024;
/** Lines are encoded in slices of this size: 64 Ki empty lines make 7 MiB of entries, and that is the most at once. */
const sliceBytes = 64 * 1024;
/** Events are kept beyond the limit for entries, up to this many. */
const maxEvents = 1000;
/** After a reboot numbers go on this far ahead: entries whose numbers the hub has seen may have died with the power. */
const seqJump = 1_000_000_000;

/** Neighbouring entries in one segment, all of one source and stream, numbered `first` to `last` without a gap. */
type Chunk = {
  readonly source: string;
  readonly stream: string;
  readonly segment: Segment;
  first: number;
  last: number;
  offset: number;
  bytes: number;
  fromMs: number;
  toMs: number;
};

/** What is to be sent next, in the order of its numbers; either log entries or one event. */
export type Batch = {
  readonly kind: "logs" | "event";
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** NDJSON; valid until the next `peek` */
  readonly bytes: Uint8Array;
};

export type SpoolOptions = {
  readonly path: string;
  readonly overflowDir: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly bootId: string;
};

type Log = { info(message: string): void; warn(message: string): void; error(message: string): void };
type World = {
  readonly clock: Clock;
  readonly log: Log;
  /** while the hub acknowledges, the limit of entries does not hold: its pipes hold the writers back instead */
  readonly limited: () => boolean;
  /** whole NDJSON lines, just taken */
  readonly onTaken: (source: string, ndjson: Uint8Array) => void;
};

export type Spool = ReturnType<typeof createSpool>;

/** Creates the buffer; nothing is touched before `open`. */
export function createSpool(options: SpoolOptions, world: World) {
  const { clock, log } = world;
  const folder = dirname(options.path);
  const name = basename(options.path);
  const progressPath = `${folder}/buffer.state`;
  const progressFile = openProgress(progressPath);

  const logs = new Deque<Chunk>();
  const events = new Deque<Chunk>();
  const segments = new Set<Segment>();
  const positions = new Map<string, number>();
  let active: Segment | undefined;
  let nextSeq = 1;
  let entryCount = 0;
  let byteCount = 0;
  let progress: Progress = emptyProgress(options.bootId);
  /** numbers up to this one are on their way to the hub */
  let inFlight = 0;
  /** dropped while on their way: no loss, should the hub acknowledge them */
  let droppedInFlight: Record<string, Drops> = {};
  const encoder = createEncoder();
  let batchBuffer = Buffer.allocUnsafe(0);
  let dropBuffer = Buffer.allocUnsafe(0);

  function open(): void {
    makeFolder(folder, 0o700);
    let known: Progress | undefined;
    try {
      known = readProgress(progressPath);
    } catch (error) {
      log.warn(`${reasonOf(error)}: what was acknowledged is not known, so all that is buffered is sent again`);
    }
    progress = known ?? emptyProgress(options.bootId);
    for (const [key, position] of Object.entries(progress.positions)) positions.set(key, position);
    const found = segmentPaths().flatMap(recover);
    found.sort((a, b) => a.entry.seq - b.entry.seq);
    for (const { segment, entry } of found) index(segment, entry);
    let newest = Math.max(progress.acknowledged, progress.droppedUpTo, found.at(-1)?.entry.seq ?? 0);
    // a buffer that begins anew must not use numbers again that the hub has seen from an earlier one
    if (newest === 0) newest = clock.now() * 1000;
    else if (progress.bootId !== options.bootId) newest += seqJump;
    nextSeq = newest + 1;
    progress.bootId = options.bootId;
    saveProgress();
    for (const segment of segments) if (segment.live === 0 && segment.path !== options.path) drop(segment);
    active = openActive(folder);
    if (active.live === 0 && active.size > 0) truncateSegment(active, 0);
    if (entryCount > 0) log.info(`buffer holds ${entryCount} entries of ${byteCount} bytes from before`);
  }

  /** All segments, oldest first; the active one has no number and comes last. */
  function segmentPaths(): string[] {
    const found: { path: string; number: number }[] = [];
    for (const dir of new Set([folder, options.overflowDir])) {
      let files: string[];
      try {
        files = readdirSync(dir);
      } catch {
        // the overflow folder is made when it is needed
        continue;
      }
      for (const file of files) {
        if (file === name) found.push({ path: `${dir}/${file}`, number: Number.POSITIVE_INFINITY });
        else if (file.startsWith(`${name}.`)) {
          const number = Number(file.slice(name.length + 1));
          if (Number.isSafeInteger(number)) found.push({ path: `${dir}/${file}`, number });
        }
      }
    }
    return found.sort((a, b) => (a.number === b.number ? 0 : a.number - b.number)).map(({ path }) => path);
  }

  function recover(path: string): { segment: Segment; entry: KeptEntry }[] {
    const segment = openSegment(path);
    segments.add(segment);
    const { entries, torn, damaged } = recoverSegment(segment);
    if (torn > 0) log.warn(`${path}: cut ${torn} bytes of an unfinished write off its end`);
    if (damaged > 0) {
      log.error(`${path}: ${damaged} lines can't be read and are lost`);
      progress.totals.dropped += damaged;
    }
    return entries.map((entry) => ({ segment, entry }));
  }

  function index(segment: Segment, entry: KeptEntry): void {
    const { seq, pos, source = "", stream = "" } = entry;
    if (pos !== undefined) {
      const key = `${source}/${stream}`;
      positions.set(key, Math.max(pos, positions.get(key) ?? 0));
    }
    const event = entry.event !== undefined;
    if (seq <= progress.acknowledged || (!event && seq <= progress.droppedUpTo)) return;
    const ms = Date.parse(entry.at);
    enqueue(event ? events : logs, {
      source,
      stream,
      segment,
      first: seq,
      last: seq,
      offset: entry.offset,
      bytes: entry.bytes,
      fromMs: ms,
      toMs: ms,
    });
  }

  /** Adds to the index; neighbours of one stream become one chunk, unless they are on their way already. */
  function enqueue(queue: Deque<Chunk>, chunk: Chunk): void {
    entryCount += chunk.last - chunk.first + 1;
    byteCount += chunk.bytes;
    const before = queue === logs ? queue.last() : undefined;
    if (
      before !== undefined &&
      before.segment === chunk.segment &&
      before.last + 1 === chunk.first &&
      before.offset + before.bytes === chunk.offset &&
      before.source === chunk.source &&
      before.stream === chunk.stream &&
      before.bytes + chunk.bytes <= chunkBytes &&
      before.last > inFlight
    ) {
      before.last = chunk.last;
      before.bytes += chunk.bytes;
      before.toMs = chunk.toMs;
      return;
    }
    chunk.segment.live++;
    queue.push(chunk);
  }

  function openActive(dir: string): Segment {
    const path = `${dir}/${name}`;
    for (const segment of segments) if (segment.path === path) return segment;
    const segment = openSegment(path);
    segments.add(segment);
    return segment;
  }

  function drop(segment: Segment): void {
    segments.delete(segment);
    removeSegment(segment);
  }

  /** The chunk is no longer wanted; the file it lies in goes with its last one. */
  function leave(chunk: Chunk): void {
    entryCount -= chunk.last - chunk.first + 1;
    byteCount -= chunk.bytes;
    chunk.segment.live--;
    if (chunk.segment.live > 0) return;
    if (chunk.segment !== active) {
      if (active !== undefined) {
        saveProgress();
        drop(chunk.segment);
      }
    } else if (chunk.segment.size > 0) {
      saveProgress();
      truncateSegment(chunk.segment, 0);
    }
  }

  function saveProgress(): void {
    progress.positions = Object.fromEntries(positions);
    try {
      progressFile.write(progress);
    } catch (error) {
      // what is not put down is only sent, and so removed, once more
      log.warn(`${progressPath} can't be written: ${reasonOf(error)}`);
    }
  }

  /** Makes room for the next write: a full segment is set aside under the number of its first entry. */
  function rotate(dir: string): void {
    if (active === undefined) return;
    if (active.live === 0 && active.size === 0) drop(active);
    else renameSegment(active, `${dirname(active.path)}/${name}.${nextSeq}`);
    active = undefined;
    makeFolder(dir, 0o700);
    active = openActive(dir);
  }

  /** Appends to the active segment; on a full disk to one in the overflow folder. */
  function write(bytes: Uint8Array): { segment: Segment; offset: number } | undefined {
    if (active === undefined) throw new Fault("unavailable", "the buffer is not open");
    try {
      // a segment in the overflow folder is left for the proper one as soon as that takes it
      if (active.size >= segmentBytes || (active.live === 0 && dirname(active.path) !== folder)) rotate(folder);
      let offset = active.size;
      if (appendToSegment(active, bytes)) return { segment: active, offset };
      if (dirname(active.path) === options.overflowDir) return undefined;
      log.warn(`${active.path} can't be written (disk full?): going on in ${options.overflowDir}`);
      rotate(options.overflowDir);
      offset = active.size;
      if (appendToSegment(active, bytes)) return { segment: active, offset };
    } catch (error) {
      log.error(`the buffer can't be written: ${reasonOf(error)}`);
    }
    return undefined;
  }

  function append(queue: Deque<Chunk>, source: string, stream: string, { bytes, count }: Encoded, ms: number): boolean {
    makeRoom(bytes.length);
    const place = write(bytes);
    if (place === undefined) return false;
    const { segment, offset } = place;
    const [first, last] = [nextSeq, nextSeq + count - 1];
    nextSeq += count;
    enqueue(queue, { source, stream, segment, first, last, offset, bytes: bytes.length, fromMs: ms, toMs: ms });
    if (queue === logs) world.onTaken(source, bytes);
    if (world.limited()) dropToLimit();
    return true;
  }

  /** The disk's share is bounded whatever the hub does. */
  function makeRoom(bytes: number): void {
    if (byteCount + bytes <= options.maxBytes) return;
    while (byteCount + bytes > options.maxBytes && logs.length > 0) dropOldest(entriesOf(logs.first()));
    saveProgress();
  }

  function dropToLimit(): void {
    let over = entryCount - events.length - options.maxEntries;
    if (over <= 0 && events.length <= maxEvents) return;
    while (over > 0 && logs.length > 0) over -= dropOldest(over);
    while (events.length > maxEvents) dropOldestEvent();
    saveProgress();
  }

  /** Drops up to `wanted` of the oldest log entries. @returns how many */
  function dropOldest(wanted: number): number {
    const chunk = logs.first();
    if (chunk === undefined) return 0;
    const count = Math.min(wanted, entriesOf(chunk));
    if (count <= 0) return 0;
    countDrop(chunk, count);
    progress.droppedUpTo = Math.max(progress.droppedUpTo, chunk.first + count - 1);
    if (count === entriesOf(chunk)) {
      logs.shift();
      leave(chunk);
    } else {
      const cut = offsetOfLine(chunk, count);
      chunk.first += count;
      chunk.offset += cut;
      chunk.bytes -= cut;
      entryCount -= count;
      byteCount -= cut;
    }
    return count;
  }

  function dropOldestEvent(): void {
    const chunk = events.shift();
    if (chunk === undefined) return;
    countDrop({ ...chunk, source: "events" }, 1);
    leave(chunk);
  }

  function countDrop(chunk: Chunk, count: number): void {
    progress.totals.dropped += count;
    addDrop(progress.drops, chunk.source, { count, from: chunk.fromMs, to: chunk.toMs });
    if (chunk.first <= inFlight) {
      const flying = Math.min(count, inFlight - chunk.first + 1);
      addDrop(droppedInFlight, chunk.source, { count: flying, from: chunk.fromMs, to: chunk.toMs });
    }
  }

  function scratch(bytes: number): Buffer {
    if (dropBuffer.length < bytes) dropBuffer = Buffer.allocUnsafe(bytes);
    return dropBuffer.subarray(0, bytes);
  }

  /** Bytes that the first `lines` lines of a chunk take. */
  function offsetOfLine(chunk: Chunk, lines: number): number {
    const bytes = scratch(chunk.bytes);
    readSegment(chunk.segment, bytes, chunk.offset);
    let at = 0;
    for (let i = 0; i < lines; i++) at = bytes.indexOf(10, at) + 1;
    return at;
  }

  /** The next entries to send, about `maxBytes` of them but at least one chunk; undefined when there are none. */
  function peek(maxBytes: number): Batch | undefined {
    const event = events.first();
    const next = logs.first();
    if (event !== undefined && (next === undefined || event.first < next.first)) return readBatch("event", [event]);
    if (next === undefined) return undefined;
    const chunks: Chunk[] = [];
    let bytes = 0;
    for (let i = 0; i < logs.length; i++) {
      const chunk = logs.at(i);
      if (chunk === undefined || (event !== undefined && chunk.first > event.first)) break;
      if (chunks.length > 0 && bytes + chunk.bytes > maxBytes) break;
      chunks.push(chunk);
      bytes += chunk.bytes;
    }
    return readBatch("logs", chunks);
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
    inFlight = last;
    droppedInFlight = {};
    return { kind, first, last, count, bytes: batchBuffer.subarray(0, at) };
  }

  /** The hub has everything up to `last`. */
  function acknowledge(batch: Batch): void {
    for (const queue of [logs, events]) {
      for (let chunk = queue.first(); chunk !== undefined && chunk.last <= batch.last; chunk = queue.first()) {
        queue.shift();
        progress.acknowledged = Math.max(progress.acknowledged, chunk.last);
        progress.totals.acknowledged += entriesOf(chunk);
        leave(chunk);
      }
    }
    progress.acknowledged = Math.max(progress.acknowledged, batch.last);
    for (const [source, { count }] of Object.entries(droppedInFlight)) {
      progress.totals.dropped -= count;
      progress.totals.acknowledged += count;
      subtractDrop(progress.drops, source, count);
    }
    release();
    saveProgress();
  }

  /** The batch did not arrive, or nobody knows whether it did. */
  function release(): void {
    inFlight = 0;
    droppedInFlight = {};
  }

  /** Gives up entries that the hub refuses for what they are; counted as dropped. */
  function refuse(batch: Batch): void {
    release();
    for (const queue of [logs, events]) {
      for (let chunk = queue.first(); chunk !== undefined && chunk.last <= batch.last; chunk = queue.first()) {
        queue.shift();
        countDrop(queue === logs ? chunk : { ...chunk, source: "events" }, entriesOf(chunk));
        leave(chunk);
      }
    }
    progress.acknowledged = Math.max(progress.acknowledged, batch.last);
    saveProgress();
  }

  /** Splits the oldest chunk of log entries after its first `entries`, so that a smaller batch can be tried. */
  function split(entries: number): void {
    const chunk = logs.shift();
    if (chunk === undefined) return;
    const rest: Chunk[] = [];
    for (let next = logs.shift(); next !== undefined; next = logs.shift()) rest.push(next);
    const cut = offsetOfLine(chunk, entries);
    const second: Chunk = {
      ...chunk,
      first: chunk.first + entries,
      offset: chunk.offset + cut,
      bytes: chunk.bytes - cut,
    };
    chunk.last = second.first - 1;
    chunk.bytes = cut;
    chunk.segment.live++;
    for (const each of [chunk, second, ...rest]) logs.push(each);
  }

  /** Takes out what was dropped since the last call, to be told in an event. */
  function takeDrops(): { total: number; sources: DropCount[] } | undefined {
    const sources = Object.entries(progress.drops).map(([source, { count, from, to }]) => ({
      source,
      count,
      from: timestamp(from),
      to: timestamp(to),
    }));
    if (sources.length === 0) return undefined;
    progress.drops = {};
    return { total: sources.reduce((sum, { count }) => sum + count, 0), sources };
  }

  return {
    open,
    peek,
    acknowledge,
    release,
    refuse,
    split,
    takeDrops,

    /** Takes whole lines of a script. @returns false when they can't be written, and nothing was taken */
    takeLines(lines: Lines): boolean {
      const { source, stream, bytes, end, piece } = lines;
      const ms = clock.now();
      const at = timestamp(ms);
      const key = `${source}/${stream}`;
      if (piece !== undefined) {
        const encoded = encoder.encode(bytes, { seq: nextSeq, at, source, stream, end, piece });
        if (!append(logs, source, stream, encoded, ms)) return false;
        positions.set(key, end);
        return true;
      }
      const begin = end - bytes.length;
      for (let from = 0; from < bytes.length;) {
        const to = sliceEnd(bytes, from);
        // a slice that an earlier call had already written is not taken twice
        if (begin + to > (positions.get(key) ?? 0)) {
          const stamp = { seq: nextSeq, at, source, stream, end: begin + to };
          if (!append(logs, source, stream, encoder.encode(bytes.subarray(from, to), stamp), ms)) return false;
          positions.set(key, begin + to);
        }
        from = to;
      }
      return true;
    },

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
      const value = { seq: nextSeq, at: timestamp(ms), event };
      return append(events, "events", "", asLine(value), ms);
    },

    /** Counts lines that nobody could write down. */
    countLost(source: string, count: number): void {
      const now = clock.now();
      progress.totals.dropped += count;
      addDrop(progress.drops, source, { count, from: now, to: now });
      saveProgress();
    },

    position: (source: string, stream: string): number | undefined => positions.get(`${source}/${stream}`),
    setPosition(source: string, stream: string, end: number): void {
      positions.set(`${source}/${stream}`, end);
    },
    /** Applies the limit of entries now. */
    enforceLimit: dropToLimit,
    /** fdatasync(2) of what was written since the last one. */
    sync(): void {
      for (const segment of segments) syncSegment(segment);
    },
    /** Frees what only a burst needed. */
    relax(): void {
      encoder.relax();
      batchBuffer = Buffer.allocUnsafe(0);
      dropBuffer = Buffer.allocUnsafe(0);
    },
    close(): void {
      saveProgress();
      for (const segment of segments) syncSegment(segment);
      progressFile.close();
    },
    counts: () => ({
      entries: entryCount,
      bytes: byteCount,
      acknowledged: progress.totals.acknowledged,
      dropped: progress.totals.dropped,
    }),
  };
}

function asLine(value: object): Encoded {
  return { bytes: Buffer.from(`${JSON.stringify(value)}\n`), count: 1 };
}

function emptyProgress(bootId: string): Progress {
  return {
    version: 1,
    bootId,
    acknowledged: 0,
    droppedUpTo: 0,
    totals: { acknowledged: 0, dropped: 0 },
    drops: {},
    positions: {},
  };
}

function entriesOf(chunk: Chunk | undefined): number {
  return chunk === undefined ? 0 : chunk.last - chunk.first + 1;
}

function addDrop(drops: Record<string, Drops>, source: string, more: Drops): void {
  const known = drops[source];
  drops[source] =
    known === undefined
      ? more
      : { count: known.count + more.count, from: Math.min(known.from, more.from), to: Math.max(known.to, more.to) };
}

function subtractDrop(drops: Record<string, Drops>, source: string, count: number): void {
  const known = drops[source];
  if (known === undefined) return;
  if (known.count <= count) delete drops[source];
  else drops[source] = { ...known, count: known.count - count };
}

/** Where a slice of whole lines that begins at `from` ends. */
function sliceEnd(bytes: Uint8Array, from: number): number {
  if (bytes.length - from <= sliceBytes) return bytes.length;
  const newline = bytes.lastIndexOf(10, from + sliceBytes - 1);
  return newline >= from ? newline + 1 : bytes.indexOf(10, from + sliceBytes) + 1;
}
