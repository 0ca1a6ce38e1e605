/** Which stream each line of a batch belongs to, and what is kept of each stream from batch to batch. */
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import { streams as streamNames } from "#src/protocol/log.ts";
import { createLane, type Lane } from "./assembly-lane.ts";
import { createTail, mostBefore, type Tail } from "./assembly-tail.ts";

/** Streams that are remembered, and bytes of their last lines: the ones that were silent longest are forgotten. */
const mostStreams = 20_000;
const mostTailBytes = 16 * 1024 * 1024;
/** Texts of fields whose container is remembered. */
const mostFieldTexts = 1000;

const container = streamNames.indexOf("container");

export type Stream = {
  readonly key: string;
  readonly serverId: string;
  readonly source: string;
  readonly stream: string;
  readonly lane: Lane;
  readonly tail: Tail;
};

/** The streams of a batch. */
export type BatchStreams = {
  readonly all: readonly Stream[];
  /** index in `all` of each line; null: all lines are of the one stream */
  readonly of: Uint16Array | null;
};

export type Streams = {
  /** The result is the caller's until the next call. */
  find(arrived: Arrived): BatchStreams;
  /** Keeps the last lines of each stream of a batch; forgets streams beyond the limits. */
  keep(columns: LogColumns, batch: BatchStreams): void;
};

/** @param forgotten hears of a stream just before it is forgotten */
export function createStreams(forgotten: (stream: Stream) => void): Streams {
  // the one that had lines last is the last
  const known = new Map<string, Stream>();
  let tailBytes = 0;
  let scratch = new Uint16Array(0);
  const partsOf = createParts();

  function open(serverId: string, source: string, stream: string, part: string): Stream {
    const key = `${serverId}\n${source}\n${stream}\n${part}`;
    const found = known.get(key) ?? { key, serverId, source, stream, lane: createLane(), tail: createTail() };
    known.delete(key);
    known.set(key, found);
    return found;
  }

  return {
    find({ serverId, columns }) {
      const { count, sources, sourceIndex, streams: ranks, fields } = columns;
      const nameOf = (rank: number): string => streamNames[rank] ?? "stdout";
      if (sourceIndex === null && isUniform(ranks, count) && ranks[0] !== container) {
        return { all: [open(serverId, sources[0] ?? "", nameOf(ranks[0] ?? 0), "")], of: null };
      }
      if (scratch.length < count) scratch = new Uint16Array(Math.max(count, scratch.length * 2));
      const all: Stream[] = [];
      // by source and stream; a container's lines by its id besides
      const table = new Int32Array(sources.length * streamNames.length).fill(-1);
      const byKey = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        const source = sourceIndex === null ? 0 : (sourceIndex[i] as number);
        const rank = ranks[i] as number;
        const cell = source * streamNames.length + rank;
        let index = rank === container ? -1 : (table[cell] ?? -1);
        if (index === -1) {
          const part = rank === container ? partsOf(fields?.[i] ?? "") : "";
          const key = `${cell}\n${part}`;
          index = byKey.get(key) ?? -1;
          if (index === -1) {
            // more than the index can hold: they share the last one
            if (all.length < 0xffff) all.push(open(serverId, sources[source] ?? "", nameOf(rank), part));
            index = all.length - 1;
            byKey.set(key, index);
          }
          table[cell] = index;
        }
        scratch[i] = index;
      }
      return { all, of: scratch };
    },
    keep(columns, { all, of }) {
      for (const [index, indexes] of lastOfEach(columns.count, all.length, of).entries()) {
        const { tail } = all[index] as Stream;
        tailBytes -= tail.size();
        tail.push(columns, indexes);
        tailBytes += tail.size();
      }
      while (known.size > mostStreams || (tailBytes > mostTailBytes && known.size > 1)) {
        const oldest = known.values().next().value;
        if (oldest === undefined) break;
        forgotten(oldest);
        tailBytes -= oldest.tail.size();
        known.delete(oldest.key);
      }
    },
  };
}

function isUniform(ranks: Uint8Array, count: number): boolean {
  const first = ranks[0];
  for (let i = 1; i < count; i++) if (ranks[i] !== first) return false;
  return true;
}

/** The last lines of each stream, ascending. */
function lastOfEach(count: number, streams: number, of: Uint16Array | null): number[][] {
  const found: number[][] = Array.from({ length: streams }, () => []);
  let missing = streams;
  for (let i = count - 1; i >= 0 && missing > 0; i--) {
    const own = found[of === null ? 0 : (of[i] as number)] as number[];
    if (own.length >= mostBefore) continue;
    own.push(i);
    if (own.length === mostBefore) missing--;
  }
  for (const own of found) own.reverse();
  return found;
}

/** What tells the lines of one source apart, from the text of their fields: the container's id and its stream. */
function createParts(): (fields: string) => string {
  const parts = new Map<string, string>();
  let last = "";
  let lastPart = "";
  return (fields) => {
    if (fields === last) return lastPart;
    let part = parts.get(fields);
    if (part === undefined) {
      const id = /"containerId":"([^"]{1,128})"/.exec(fields)?.[1] ?? "";
      const stream = /"stream":"(std(?:out|err))"/.exec(fields)?.[1] ?? "";
      part = `${id} ${stream}`;
      if (parts.size >= mostFieldTexts) parts.clear();
      parts.set(fields, part);
    }
    last = fields;
    lastPart = part;
    return part;
  };
}
