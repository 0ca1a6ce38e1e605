/**
 * What waits for the hub, oldest first, by kind: lines of scripts (and entries by hand), lines of containers, events.
 * All share one count of numbers, and are sent in its order; but what is dropped for want of room differs.
 */
import { Deque } from "#src/lib/deque.ts";

import { type Chunk, type ChunkQueue, addChunk, entriesOf } from "./chunks.ts";

export const kinds = ["lines", "containers", "events"] as const;
export type Kind = (typeof kinds)[number];

/** Entries and bytes that wait. */
export type Waiting = { readonly entries: number; readonly bytes: number };

export type Backlog = {
  /** @param untouchable numbers up to this one are on their way to the hub */
  add(kind: Kind, chunk: Chunk, untouchable: number): void;
  first(kind: Kind): Chunk | undefined;
  /** The oldest chunk of entries, whose or which kind it may be, but no event. */
  oldest(): { readonly queue: ChunkQueue; readonly chunk: Chunk } | undefined;
  /** Takes the oldest chunk of a kind out. */
  shift(kind: Kind): Chunk | undefined;
  /** Cuts `entries` of together `bytes` off the beginning of the oldest chunk of a kind. */
  trim(kind: Kind, entries: number, bytes: number): void;
  of(kind: Kind): Waiting;
  all(): Waiting;
  /**
   * The next chunks to send, about `maxBytes` of them but at least one: entries, or one event; none when nothing waits.
   * @param after numbers up to this one are in a batch already
   */
  next(maxBytes: number, after: number): { readonly kind: "logs" | "event"; readonly chunks: readonly Chunk[] };
};

/** What is known of the bytes of a kind is kept while chunks come and go. */
type Part = { readonly queue: ChunkQueue; entries: number; bytes: number };

export function createBacklog(): Backlog {
  const part = (): Part => ({ queue: new Deque(), entries: 0, bytes: 0 });
  const parts: Readonly<Record<Kind, Part>> = { lines: part(), containers: part(), events: part() };

  function count(kind: Kind, entries: number, bytes: number): void {
    parts[kind].entries += entries;
    parts[kind].bytes += bytes;
  }

  return {
    add(kind, chunk, untouchable) {
      count(kind, entriesOf(chunk), chunk.bytes);
      // one event is one request, so events stay apart
      addChunk(parts[kind].queue, chunk, kind === "events" ? Number.POSITIVE_INFINITY : untouchable);
    },
    first: (kind) => parts[kind].queue.first(),
    oldest() {
      const [a, b] = [parts.lines.queue.first(), parts.containers.queue.first()];
      if (a !== undefined && (b === undefined || a.first < b.first)) return { queue: parts.lines.queue, chunk: a };
      return b === undefined ? undefined : { queue: parts.containers.queue, chunk: b };
    },
    shift(kind) {
      const chunk = parts[kind].queue.shift();
      if (chunk !== undefined) count(kind, -entriesOf(chunk), -chunk.bytes);
      return chunk;
    },
    trim(kind, entries, bytes) {
      const chunk = parts[kind].queue.first();
      if (chunk === undefined) return;
      chunk.first += entries;
      chunk.offset += bytes;
      chunk.bytes -= bytes;
      count(kind, -entries, -bytes);
    },
    of: (kind) => parts[kind],
    all() {
      const { lines, containers, events } = parts;
      return {
        entries: lines.entries + containers.entries + events.entries,
        bytes: lines.bytes + containers.bytes + events.bytes,
      };
    },
    next(maxBytes, after) {
      const event = parts.events.queue.at(firstAfter(parts.events.queue, after));
      const chunks: Chunk[] = [];
      let bytes = 0;
      for (const chunk of merged(parts.lines.queue, parts.containers.queue, after)) {
        if (event !== undefined && chunk.first > event.first) break;
        if (chunks.length > 0 && bytes + chunk.bytes > maxBytes) break;
        chunks.push(chunk);
        bytes += chunk.bytes;
      }
      if (chunks.length > 0) return { kind: "logs", chunks };
      return { kind: "event", chunks: event === undefined ? [] : [event] };
    },
  };
}

/** Chunks of two queues behind number `after`, in the order of their numbers. */
function* merged(one: ChunkQueue, other: ChunkQueue, after: number): Generator<Chunk> {
  let [i, j] = [firstAfter(one, after), firstAfter(other, after)];
  for (;;) {
    const [a, b] = [one.at(i), other.at(j)];
    if (a !== undefined && (b === undefined || a.first < b.first)) {
      yield a;
      i++;
    } else if (b !== undefined) {
      yield b;
      j++;
    } else {
      return;
    }
  }
}

/** Where the oldest chunk behind number `after` is in its queue; beyond its end when there is none. */
function firstAfter(queue: ChunkQueue, after: number): number {
  let index = 0;
  for (let chunk = queue.at(0); chunk !== undefined && chunk.last <= after; chunk = queue.at(index)) index++;
  return index;
}
