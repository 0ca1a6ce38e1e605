/** Entries on their way into a block, column by column. */
import { type Level, type Stream, levels, streams } from "#src/protocol/log.ts";

export const levelRank: ReadonlyMap<Level, number> = new Map(levels.map((level, rank) => [level, rank]));
export const streamRank: ReadonlyMap<Stream, number> = new Map(streams.map((stream, rank) => [stream, rank]));

/**
 * What doesn't fit its column: a time that is not written as milliseconds in UTC, and a message that is not well-formed
 * Unicode (a lone surrogate), whose column holds it with U+FFFD instead.
 */
export type Odd = { readonly at?: string; readonly message?: string };

export type Lines = {
  readonly count: number;
  /** milliseconds since the epoch */
  readonly times: Float64Array;
  readonly positions: Float64Array;
  readonly seqs: Float64Array;
  /** ranks */
  readonly levels: Uint8Array;
  readonly streams: Uint8Array;
  /** messages in UTF-8, each followed by a newline */
  readonly text: Buffer;
  /** where each message begins, and where the text ends */
  readonly offsets: Uint32Array;
  /** JSON text of each entry's fields, "": none; null: no entry has any */
  readonly fields: readonly string[] | null;
  readonly sources: readonly string[];
  /** null: there is one source */
  readonly sourceIndex: Uint16Array | null;
  readonly odd: ReadonlyMap<number, Odd>;
};

/** Whether they lie by time, equal times in the order of arrival. */
function isSorted({ count, times, positions }: Lines): boolean {
  for (let i = 1; i < count; i++) {
    const step = (times[i] as number) - (times[i - 1] as number);
    if (step < 0 || (step === 0 && (positions[i] as number) < (positions[i - 1] as number))) return false;
  }
  return true;
}

/** The same by time, equal times in the order of arrival. */
export function sortLines(lines: Lines): Lines {
  if (isSorted(lines)) return lines;
  const { times, positions } = lines;
  const order = Uint32Array.from({ length: lines.count }, (_, i) => i).sort(
    (a, b) => (times[a] as number) - (times[b] as number) || (positions[a] as number) - (positions[b] as number),
  );
  return pickLines(lines, order);
}

/** Those at `order`, in that order. */
export function pickLines(lines: Lines, order: Uint32Array): Lines {
  const count = order.length;
  const numbers = (column: Float64Array) => Float64Array.from(order, (i) => column[i] as number);
  const ranks = (column: Uint8Array) => Uint8Array.from(order, (i) => column[i] as number);
  const offsets = new Uint32Array(count + 1);
  let size = 0;
  order.forEach((i, to) => {
    offsets[to + 1] = size += (lines.offsets[i + 1] as number) - (lines.offsets[i] as number);
  });
  const text = Buffer.allocUnsafe(size);
  order.forEach((i, to) => {
    lines.text.copy(text, offsets[to], lines.offsets[i], lines.offsets[i + 1]);
  });
  const odd = new Map<number, Odd>();
  if (lines.odd.size > 0) {
    order.forEach((i, to) => {
      const found = lines.odd.get(i);
      if (found !== undefined) odd.set(to, found);
    });
  }
  const { sourceIndex, fields } = lines;
  return {
    count,
    times: numbers(lines.times),
    positions: numbers(lines.positions),
    seqs: numbers(lines.seqs),
    levels: ranks(lines.levels),
    streams: ranks(lines.streams),
    text,
    offsets,
    fields: fields === null ? null : Array.from(order, (i) => fields[i] ?? ""),
    sources: lines.sources,
    sourceIndex: sourceIndex === null ? null : Uint16Array.from(order, (i) => sourceIndex[i] as number),
    odd,
  };
}

/** A stretch of them. */
export function sliceLines(lines: Lines, from: number, to: number): Lines {
  if (from === 0 && to === lines.count) return lines;
  const begin = lines.offsets[from] as number;
  const odd = new Map<number, Odd>();
  for (const [index, found] of lines.odd) if (index >= from && index < to) odd.set(index - from, found);
  return {
    count: to - from,
    times: lines.times.subarray(from, to),
    positions: lines.positions.subarray(from, to),
    seqs: lines.seqs.subarray(from, to),
    levels: lines.levels.subarray(from, to),
    streams: lines.streams.subarray(from, to),
    text: lines.text.subarray(begin, lines.offsets[to]),
    offsets: lines.offsets.slice(from, to + 1).map((offset) => offset - begin),
    fields: lines.fields?.slice(from, to) ?? null,
    sources: lines.sources,
    sourceIndex: lines.sourceIndex?.subarray(from, to) ?? null,
    odd,
  };
}

/** All entries of several groups, one after the other. */
export function joinLines(groups: readonly Lines[]): Lines {
  const [only] = groups;
  if (groups.length === 1 && only !== undefined) return only;
  const count = groups.reduce((sum, group) => sum + group.count, 0);
  const ranks = new Map<string, number>();
  for (const group of groups) for (const source of group.sources) if (!ranks.has(source)) ranks.set(source, ranks.size);
  const numbers = (pick: (group: Lines) => Float64Array) => {
    const column = new Float64Array(count);
    forEachGroup(groups, (group, at) => column.set(pick(group), at));
    return column;
  };
  const bytes = (pick: (group: Lines) => Uint8Array) => {
    const column = new Uint8Array(count);
    forEachGroup(groups, (group, at) => column.set(pick(group), at));
    return column;
  };
  const offsets = new Uint32Array(count + 1);
  const sourceIndex = ranks.size > 1 ? new Uint16Array(count) : null;
  const odd = new Map<number, Odd>();
  let size = 0;
  forEachGroup(groups, (group, at) => {
    for (let i = 0; i < group.count; i++) {
      offsets[at + i + 1] = size + (group.offsets[i + 1] as number);
      if (sourceIndex !== null) sourceIndex[at + i] = ranks.get(sourceOf(group, i)) ?? 0;
    }
    size += group.text.length;
    for (const [index, found] of group.odd) odd.set(at + index, found);
  });
  const withFields = groups.some((group) => group.fields !== null);
  return {
    count,
    times: numbers((group) => group.times),
    positions: numbers((group) => group.positions),
    seqs: numbers((group) => group.seqs),
    levels: bytes((group) => group.levels),
    streams: bytes((group) => group.streams),
    text: Buffer.concat(groups.map((group) => group.text)),
    offsets,
    fields: withFields
      ? groups.flatMap((group) => group.fields ?? Array.from({ length: group.count }, () => ""))
      : null,
    sources: [...ranks.keys()],
    sourceIndex,
    odd,
  };
}

function forEachGroup(groups: readonly Lines[], run: (group: Lines, at: number) => void): void {
  let at = 0;
  for (const group of groups) {
    run(group, at);
    at += group.count;
  }
}

/** The source of one entry. */
export function sourceOf(lines: Pick<Lines, "sources" | "sourceIndex">, index: number): string {
  return lines.sources[lines.sourceIndex?.[index] ?? 0] ?? "";
}
