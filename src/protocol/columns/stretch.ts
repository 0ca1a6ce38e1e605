/** Parts of columns. */
import type { LogColumns, Odd } from "../log-columns.ts";

/** A stretch of them: views where the columns allow it. */
export function sliceColumns(columns: LogColumns, from: number, to: number): LogColumns {
  if (from === 0 && to === columns.count) return columns;
  const begin = columns.offsets[from] as number;
  const odd = new Map<number, Odd>();
  for (const [index, found] of columns.odd) if (index >= from && index < to) odd.set(index - from, found);
  return {
    count: to - from,
    times: columns.times.subarray(from, to),
    seqs: columns.seqs.subarray(from, to),
    levels: columns.levels.subarray(from, to),
    streams: columns.streams.subarray(from, to),
    text: columns.text.subarray(begin, columns.offsets[to]),
    offsets: columns.offsets.slice(from, to + 1).map((offset) => offset - begin),
    fields: columns.fields?.slice(from, to) ?? null,
    sources: columns.sources,
    sourceIndex: columns.sourceIndex?.subarray(from, to) ?? null,
    odd,
  };
}

/** Those at `order`, in that order. */
export function pickColumns(columns: LogColumns, order: ArrayLike<number> & Iterable<number>): LogColumns {
  const count = order.length;
  const offsets = new Uint32Array(count + 1);
  for (let to = 0, size = 0; to < count; to++) {
    const i = order[to] as number;
    offsets[to + 1] = size += (columns.offsets[i + 1] as number) - (columns.offsets[i] as number);
  }
  const text = Buffer.allocUnsafeSlow(offsets[count] as number);
  const odd = new Map<number, Odd>();
  for (let to = 0; to < count; to++) {
    const i = order[to] as number;
    columns.text.copy(text, offsets[to], columns.offsets[i], columns.offsets[i + 1]);
    if (columns.odd.size === 0) continue;
    const found = columns.odd.get(i);
    if (found !== undefined) odd.set(to, found);
  }
  const { times, seqs, levels, streams, sourceIndex, fields } = columns;
  return {
    count,
    times: Float64Array.from(order, (i) => times[i] as number),
    seqs: Float64Array.from(order, (i) => seqs[i] as number),
    levels: Uint8Array.from(order, (i) => levels[i] as number),
    streams: Uint8Array.from(order, (i) => streams[i] as number),
    text,
    offsets,
    fields: fields === null ? null : Array.from(order, (i) => fields[i] ?? ""),
    sources: columns.sources,
    sourceIndex: sourceIndex === null ? null : Uint16Array.from(order, (i) => sourceIndex[i] as number),
    odd,
  };
}
