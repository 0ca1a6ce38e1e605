/** Room in the buffer: what is dropped, counted, when there is more than may be kept, and what has to wait instead. */
import type { Backlog, Kind } from "./backlog.ts";
import type { Batches } from "./batches.ts";
import { type Chunk, entriesOf } from "./chunks.ts";
import type { LineBytes } from "./line-bytes.ts";
import type { Tally } from "./tally.ts";

/** Events are kept beyond the limit for entries, up to this many. */
const maxEvents = 1000;

export type Room = {
  /** Makes room on the disk, whose share is bounded whatever the hub does. @returns false: these have to wait */
  make(kind: Kind, bytes: number): boolean;
  /** Drops what is over the limit of entries: that of scripts, oldest first. */
  dropToLimit(): void;
  /** Counts entries of a chunk as dropped. */
  count(chunk: Chunk, kind: Kind, entries: number): void;
  /** Entries of containers that are taken while the hub is away. */
  containerShare(): number;
};

export function createRoom(world: {
  readonly limits: { readonly maxEntries: number; readonly maxBytes: number };
  readonly backlog: Backlog;
  readonly batches: Pick<Batches, "noteDrop">;
  readonly tally: Pick<Tally, "countDropped" | "droppedUpTo">;
  readonly lineBytes: LineBytes;
  /** lines of containers are never dropped: what is not taken, the engine keeps */
  readonly keepsContainers: () => boolean;
  /** the chunk is no longer in the backlog */
  readonly leave: (chunk: Chunk) => void;
}): Room {
  const { limits, backlog, batches, tally, lineBytes, keepsContainers, leave } = world;
  const { maxEntries, maxBytes } = limits;
  const containerShare = (): number => Math.floor(maxEntries / 2);

  function count(chunk: Chunk, kind: Kind, entries: number): void {
    const source = kind === "events" ? "events" : chunk.source;
    tally.countDropped(entries, { source, from: chunk.fromMs, to: chunk.toMs });
    batches.noteDrop(chunk, source, entries);
  }

  /**
   * Drops up to `wanted` of the oldest entries, as many as are in one chunk. It is put down only when their file goes:
   * until then a restart finds them again, and drops and counts them again. @returns how many; 0: there are none
   */
  function dropOldest(wanted: number): number {
    const first = backlog.first("lines");
    const kind = keepsContainers() || backlog.oldest()?.chunk === first ? "lines" : "containers";
    const chunk = backlog.first(kind);
    const entries = Math.min(wanted, entriesOf(chunk));
    if (chunk === undefined || entries <= 0) return 0;
    count(chunk, kind, entries);
    tally.droppedUpTo(chunk.first + entries - 1, kind);
    if (entries === entriesOf(chunk)) {
      backlog.shift(kind);
      leave(chunk);
    } else {
      backlog.trim(kind, entries, lineBytes.of(chunk, entries));
    }
    return entries;
  }

  function dropOldestEvent(): void {
    const chunk = backlog.shift("events");
    if (chunk === undefined) return;
    count(chunk, "events", 1);
    leave(chunk);
  }

  return {
    make(kind, bytes) {
      const over = (): boolean => backlog.all().bytes + bytes > maxBytes;
      if (!over()) return true;
      if (kind === "containers" && keepsContainers()) return backlog.all().entries === 0;
      for (let dropped = 1; dropped > 0 && over();) dropped = dropOldest(Number.POSITIVE_INFINITY);
      return true;
    },
    dropToLimit() {
      const containers = backlog.of("containers").entries;
      // what containers have beyond their share came while the hub was there: the scripts keep theirs
      const spared = keepsContainers() ? Math.min(containers, containerShare()) : containers;
      let over = backlog.of("lines").entries + spared - maxEntries;
      for (let dropped = 1; over > 0 && dropped > 0; over -= dropped) dropped = dropOldest(over);
      while (backlog.of("events").entries > maxEvents) dropOldestEvent();
    },
    count,
    containerShare,
  };
}
