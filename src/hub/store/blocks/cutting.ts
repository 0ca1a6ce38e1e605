/**
 * Which entries share a block: those of one source when it says enough to be worth a block of its own, the rest of an
 * origin together. So a server with a hundred quiet sources doesn't make a hundred blocks of five lines.
 */
import { type ColumnRoom, createColumnRoom, viewColumnRoom } from "#src/protocol/columns/room.ts";
import { dayMs, mostBytes, mostLines } from "./block.ts";
import type { Lines, Odd } from "./lines.ts";

/** A source with fewer lines than this shares. */
const ownBlockLines = 512;
/**
 * Days are not mixed, because retention deletes whole blocks; but of lines that are scattered over very many days (a clock
 * gone wild, the archive of years) neighbours are, so that not every line becomes a block.
 */
const mostStretches = 64;

/** Room that is kept for the next blocks: as many as are made at once, of usual size. */
const mostSpare = 4;
const spareBytes = 2 * mostBytes;

/** Lines of a block to be, in room that may be used again. */
export type Cut = Lines & { readonly room: Room };
type Room = { readonly columns: ColumnRoom; readonly positions: Float64Array; readonly text: Buffer };

const spare: Room[] = [];

/** Whoever gives lines back looks at them no more. */
export function giveBack({ room }: Cut): void {
  if (spare.length < mostSpare && room.text.length <= spareBytes) spare.push(room);
}

function takeRoom(textBytes: number): Room {
  const room = spare.pop();
  if (room !== undefined && room.text.length >= textBytes) return room;
  return {
    columns: room?.columns ?? createColumnRoom(mostLines),
    positions: room?.positions ?? new Float64Array(mostLines),
    text: Buffer.allocUnsafeSlow(Math.max(textBytes, mostBytes)),
  };
}

/** Whose an entry is. */
export type Key = { readonly serverId: string; readonly source: string };

/** Entries in the order in which they came; only the first `count` of each column are in use. */
export type Gathered = Omit<ColumnRoom, "sourceIndex"> & {
  readonly count: number;
  /** index of each entry's key */
  readonly keyOf: Uint32Array;
  readonly positions: Float64Array;
  readonly text: Buffer;
  readonly fields: readonly string[] | null;
  readonly odd: ReadonlyMap<number, Odd>;
};

/** The indexes of each origin's entries, in groups that share blocks, each in the order in which they came. */
export function groupEntries(
  { count, keyOf }: Gathered,
  keys: readonly Key[],
): readonly { readonly serverId: string; readonly groups: readonly Uint32Array[] }[] {
  const lines = new Uint32Array(keys.length);
  for (let i = 0; i < count; i++) lines[keyOf[i] as number] = (lines[keyOf[i] as number] as number) + 1;
  // the group of each key, and how many entries each group has
  const groupOf = new Uint32Array(keys.length);
  const sizes: number[] = [];
  const origins = new Map<string, { shared: number; readonly groups: number[] }>();
  keys.forEach(({ serverId }, key) => {
    let origin = origins.get(serverId);
    if (origin === undefined) origins.set(serverId, (origin = { shared: -1, groups: [] }));
    const own = lines[key] as number;
    const isShared = own < ownBlockLines;
    let group = isShared ? origin.shared : -1;
    if (group === -1) {
      group = sizes.push(0) - 1;
      origin.groups.push(group);
      if (isShared) origin.shared = group;
    }
    groupOf[key] = group;
    sizes[group] = (sizes[group] as number) + own;
  });
  const ends = new Uint32Array(sizes.length);
  for (let group = 1; group < sizes.length; group++) {
    ends[group] = (ends[group - 1] as number) + (sizes[group - 1] as number);
  }
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const group = groupOf[keyOf[i] as number] as number;
    const at = ends[group] as number;
    order[at] = i;
    ends[group] = at + 1;
  }
  return Array.from(origins, ([serverId, { groups }]) => ({
    serverId,
    groups: groups.map((group) => order.subarray((ends[group] as number) - (sizes[group] as number), ends[group])),
  }));
}

/** The entries of a group as lines that make a block each: of one day as a rule, and of equal size. Sorts `order`. */
export function* cutGroup(all: Gathered, keys: readonly Key[], order: Uint32Array): Generator<Cut> {
  sortByTime(all, order);
  const { times } = all;
  const span = spanOf(times, order);
  for (let from = 0; from < order.length;) {
    const ends = (Math.floor((times[order[from] as number] as number) / span) + 1) * span;
    let bytes = 0;
    let to = from;
    for (; to < order.length && (times[order[to] as number] as number) < ends; to++) bytes += sizeOf(all, order[to]);
    const blocks = Math.max(Math.ceil((to - from) / mostLines), Math.ceil(bytes / mostBytes));
    const [linesEach, bytesEach] = [Math.ceil((to - from) / blocks), Math.ceil(bytes / blocks)];
    while (from < to) {
      const end = endOfBlock(all, order, from, Math.min(to, from + linesEach), bytesEach);
      yield pickLines(all, keys, order.subarray(from, end));
      from = end;
    }
  }
}

/** So many bytes and one line at most. */
function endOfBlock(all: Gathered, order: Uint32Array, from: number, to: number, most: number): number {
  let end = from;
  for (let bytes = 0; end < to && bytes < most; end++) bytes += sizeOf(all, order[end]);
  return end;
}

function sizeOf(all: Gathered, index = 0): number {
  const message = messageBytes(all, index);
  return all.fields === null ? message : message + (all.fields[index] as string).length;
}

/** By time, equal times in the order of arrival; as they came they lie so as a rule. */
function sortByTime({ times, positions }: Gathered, order: Uint32Array): void {
  const apart = (a: number, b: number) =>
    (times[a] as number) - (times[b] as number) || (positions[a] as number) - (positions[b] as number);
  for (let i = 1; i < order.length; i++) {
    if (apart(order[i - 1] as number, order[i] as number) > 0) {
      order.sort(apart);
      return;
    }
  }
}

/** Milliseconds of a stretch: a day, or as many as it takes for the sorted entries to lie in few enough. */
function spanOf(times: Float64Array, order: Uint32Array): number {
  for (let span = dayMs; ; span *= 2) {
    let stretches = 0;
    let last = Number.NaN;
    for (let i = 0; i < order.length && stretches <= mostStretches; i++) {
      const stretch = Math.floor((times[order[i] as number] as number) / span);
      if (stretch !== last) stretches++;
      last = stretch;
    }
    if (stretches <= mostStretches) return span;
  }
}

/** Copies of the entries at `order`, which are of one origin, and no more than a block's. */
function pickLines(all: Gathered, keys: readonly Key[], order: Uint32Array): Cut {
  const count = order.length;
  let textBytes = 0;
  for (let i = 0; i < count; i++) textBytes += messageBytes(all, order[i] as number);
  const room = takeRoom(textBytes);
  const { columns } = room;
  const positions = room.positions.subarray(0, count);
  // a column at a time: these loops are most of what it costs
  pick(all.times, order, columns.times);
  pick(all.seqs, order, columns.seqs);
  pick(all.levels, order, columns.levels);
  pick(all.streams, order, columns.streams);
  pick(all.positions, order, positions);
  pickText(all, order, columns.offsets, room.text);
  const sources = pickSources(all.keyOf, keys, order, columns.sourceIndex);
  const { sourceIndex, ...own } = viewColumnRoom(columns, count);
  return {
    ...own,
    room,
    count,
    positions,
    text: room.text.subarray(0, textBytes),
    fields: pickFields(all, order),
    sources,
    sourceIndex: sources.length > 1 ? sourceIndex : null,
    odd: pickOdd(all, order),
  };
}

function messageBytes({ offsets }: Gathered, index: number): number {
  return (offsets[index + 1] as number) - (offsets[index] as number);
}

function pick<Column extends Float64Array | Uint8Array>(from: Column, order: Uint32Array, to: Column): void {
  for (let i = 0; i < order.length; i++) to[i] = from[order[i] as number] as number;
}

/** Copies messages, and writes where each begins and the last one ends. */
function pickText({ text, offsets: from }: Gathered, order: Uint32Array, offsets: Uint32Array, to: Buffer): void {
  let end = 0;
  for (let i = 0; i < order.length;) {
    const begin = end;
    const first = order[i] as number;
    // neighbours that came as neighbours are copied at once
    let next = first;
    do {
      end += (from[next + 1] as number) - (from[next] as number);
      offsets[++i] = end;
      next++;
    } while (order[i] === next);
    text.copy(to, begin, from[first], from[next]);
  }
}

/** Writes the rank of each entry's source into `ranks`. @returns the sources by rank */
function pickSources(keyOf: Uint32Array, keys: readonly Key[], order: Uint32Array, ranks: Uint16Array): string[] {
  const sources: string[] = [];
  const known = new Map<number, number>();
  let last = -1;
  let rank = 0;
  for (let i = 0; i < order.length; i++) {
    const key = keyOf[order[i] as number] as number;
    if (key !== last) {
      last = key;
      const found = known.get(key);
      rank = found ?? sources.push((keys[key] as Key).source) - 1;
      if (found === undefined) known.set(key, rank);
    }
    ranks[i] = rank;
  }
  return sources;
}

function pickOdd({ odd }: Gathered, order: Uint32Array): Lines["odd"] {
  const own = new Map<number, Odd>();
  if (odd.size === 0) return own;
  order.forEach((index, i) => {
    const found = odd.get(index);
    if (found !== undefined) own.set(i, found);
  });
  return own;
}

function pickFields({ fields }: Gathered, order: Uint32Array): readonly string[] | null {
  if (fields === null) return null;
  const own = Array.from({ length: order.length }, (_, i) => fields[order[i] as number] ?? "");
  return own.some((one) => one !== "") ? own : null;
}
