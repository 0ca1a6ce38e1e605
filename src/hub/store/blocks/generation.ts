/** Entries of some deliveries, sorted out by origin and source while they are at hand, until they become blocks. */
import type { LogEntry } from "#src/protocol/log.ts";
import { type Builder, createBuilder } from "./builder.ts";
import type { Lines } from "./lines.ts";

/** Full: with ten sources that is a block each. A search reads at most this much of what has no filter yet. */
const mostLines = 65_536;
const mostBytes = 8 * 1024 * 1024;

/** Builders that keep their room for the next generation. */
const mostKeptBuilders = 64;

/** A delivery as it was stored: a row, and what is in it. */
export type Delivered = {
  /** the row, which is the position of the first entry */
  readonly chunk: number;
  readonly serverId: string;
  readonly entries: readonly LogEntry[];
  readonly times: ArrayLike<number>;
};

export type Generation = {
  /** rows that go when the blocks are written */
  readonly chunks: readonly number[];
  add(delivered: Delivered): void;
  /** The entries of each origin, a group for each source. */
  origins(): Iterable<{ readonly serverId: string; readonly groups: readonly Lines[] }>;
  readonly empty: boolean;
  readonly full: boolean;
  /** Empty again, with the room that its entries took: what was given out by `origins` is no longer good. */
  reset(): void;
};

export function createGeneration(): Generation {
  let chunks: number[] = [];
  const origins = new Map<string, Map<string, Builder>>();
  let lines = 0;
  let bytes = 0;
  return {
    get chunks() {
      return chunks;
    },
    add({ chunk, serverId, entries, times }) {
      const found = origins.get(serverId);
      const sources = found ?? new Map<string, Builder>();
      if (found === undefined) origins.set(serverId, sources);
      chunks.push(chunk);
      lines += entries.length;
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i] as LogEntry;
        bytes += entry.message.length;
        let builder = sources.get(entry.source);
        if (builder === undefined) sources.set(entry.source, (builder = createBuilder([entry.source])));
        builder.add(entry, times[i] as number, chunk + i);
      }
      for (const builder of sources.values()) builder.flush();
    },
    *origins() {
      for (const [serverId, sources] of origins) {
        const used = [...sources.values()].filter((builder) => builder.count > 0);
        if (used.length > 0) yield { serverId, groups: used.map((builder) => builder.lines()) };
      }
    },
    get empty() {
      return chunks.length === 0;
    },
    get full() {
      return lines >= mostLines || bytes >= mostBytes;
    },
    reset() {
      const builders = [...origins.values()].flatMap((sources) => [...sources.values()]);
      // of many each has little, and others may come the next time
      if (builders.length > mostKeptBuilders) origins.clear();
      else for (const builder of builders) builder.reset();
      chunks = [];
      lines = bytes = 0;
    },
  };
}

/** The entries of a delivery, as they came. */
export function linesOfDelivery({ chunk, entries, times }: Delivered): Lines {
  const sources: string[] = [];
  const ranks = new Map<string, number>();
  const builder = createBuilder(sources, (source) => {
    let rank = ranks.get(source);
    if (rank === undefined) {
      ranks.set(source, (rank = ranks.size));
      sources.push(source);
    }
    return rank;
  });
  entries.forEach((entry, i) => builder.add(entry, times[i] as number, chunk + i));
  return builder.lines();
}
