/** Entries of some deliveries, sorted out by origin and source while they are at hand, until they become blocks. */
import type { Arrived } from "#src/protocol/log-columns.ts";
import { type Builder, createBuilder } from "./builder.ts";
import type { Lines } from "./lines.ts";

/** Full: with ten sources that is a block each. A search reads at most this much of what has no filter yet. */
const mostLines = 65_536;
export const generationBytes = 8 * 1024 * 1024;

/** Builders that keep their room for the next time. */
const mostKeptBuilders = 64;

export type Generation = {
  /** rows that go when the blocks are written: the first positions of what was added */
  readonly rows: readonly number[];
  add(arrived: Arrived): void;
  /** The entries of each origin, a group for each source. */
  origins(): Iterable<{ readonly serverId: string; readonly groups: readonly Lines[] }>;
  /** of messages */
  readonly bytes: number;
  readonly empty: boolean;
  readonly full: boolean;
  /** Empty again, with the room that its entries took: what was given out by `origins` is no longer good. */
  reset(): void;
};

export function createGeneration(): Generation {
  let rows: number[] = [];
  const origins = new Map<string, Map<string, Builder>>();
  let lines = 0;
  let bytes = 0;

  function buildersOf(serverId: string, names: readonly string[]): Builder[] {
    const found = origins.get(serverId);
    const sources = found ?? new Map<string, Builder>();
    if (found === undefined) origins.set(serverId, sources);
    return names.map((name) => {
      let builder = sources.get(name);
      if (builder === undefined) sources.set(name, (builder = createBuilder(name)));
      return builder;
    });
  }

  return {
    get rows() {
      return rows;
    },
    add({ serverId, firstPosition, columns }) {
      const { count, sourceIndex, sources, text } = columns;
      const builders = buildersOf(serverId, sources);
      rows.push(firstPosition);
      lines += count;
      bytes += text.length;
      for (let from = 0; from < count;) {
        const rank = sourceIndex?.[from] ?? 0;
        let to = from + 1;
        if (sourceIndex === null) to = count;
        else while (to < count && sourceIndex[to] === rank) to++;
        (builders[rank] as Builder).add(columns, from, to, firstPosition);
        from = to;
      }
    },
    *origins() {
      for (const [serverId, sources] of origins) {
        const used = [...sources.values()].filter((builder) => builder.count > 0);
        if (used.length > 0) yield { serverId, groups: used.map((builder) => builder.lines()) };
      }
    },
    get bytes() {
      return bytes;
    },
    get empty() {
      return rows.length === 0;
    },
    get full() {
      return lines >= mostLines || bytes >= generationBytes;
    },
    reset() {
      let kept = 0;
      for (const [serverId, sources] of origins) {
        for (const [source, builder] of sources) {
          // who was quiet this time may be so the next; and of very many each has little
          if (builder.count > 0 && ++kept <= mostKeptBuilders) builder.reset();
          else sources.delete(source);
        }
        if (sources.size === 0) origins.delete(serverId);
      }
      rows = [];
      lines = bytes = 0;
    },
  };
}
