/** The entries of one source as they come, until they are a block. Text is copied, so that nothing of a delivery is kept alive. */
import { copyRange, createColumnRoom, growColumnRoom, viewColumnRoom } from "#src/protocol/columns/room.ts";
import { createTextRoom, makeTextRoom } from "#src/protocol/columns/text-room.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import type { Lines, Odd } from "./lines.ts";

export type Builder = {
  readonly count: number;
  /** Adds entries `from` to `to` (not included), all of this source; `shift` makes positions of their numbers. */
  add(columns: LogColumns, from: number, to: number, shift: number): void;
  /** Columns that are good until `reset`. */
  lines(): Lines;
  /** Forgets the entries and keeps the room, so that large buffers are not made anew all the time. */
  reset(): void;
};

/** What a quiet source takes; it doubles as it grows. */
const firstLines = 256;
const firstBytes = 4096;

export function createBuilder(source: string): Builder {
  let room = createColumnRoom(firstLines);
  let positions = new Float64Array(room.levels.length);
  const text = createTextRoom(firstBytes);
  let count = 0;
  let fields: string[] | undefined;
  let odd = new Map<number, Odd>();

  function grow(least: number): void {
    room = growColumnRoom(room, least);
    const wider = new Float64Array(room.levels.length);
    wider.set(positions);
    positions = wider;
  }

  return {
    get count() {
      return count;
    },
    add(columns, from, to, shift) {
      if (count + to - from > room.levels.length) grow(count + to - from);
      const begin = columns.offsets[from] as number;
      const end = columns.offsets[to] as number;
      makeTextRoom(text, end - begin);
      columns.text.copy(text.bytes, text.size, begin, end);
      copyRange(columns, from, to, room, count, text.size - begin);
      text.size += end - begin;
      for (let i = from; i < to; i++) positions[count + i - from] = shift + i;
      if (columns.fields !== null) {
        fields ??= Array.from({ length: count }, () => "");
        for (let i = from; i < to; i++) fields.push(columns.fields[i] ?? "");
      } else if (fields !== undefined) for (let i = from; i < to; i++) fields.push("");
      if (columns.odd.size > 0) {
        for (let i = from; i < to; i++) {
          const found = columns.odd.get(i);
          if (found !== undefined) odd.set(count + i - from, found);
        }
      }
      count += to - from;
    },
    lines() {
      const { times, seqs, levels, streams, offsets } = viewColumnRoom(room, count);
      return {
        count,
        times,
        positions: positions.subarray(0, count),
        seqs,
        levels,
        streams,
        text: text.bytes.subarray(0, text.size),
        offsets,
        fields: fields ?? null,
        sources: [source],
        sourceIndex: null,
        odd,
      };
    },
    reset() {
      count = text.size = 0;
      fields = undefined;
      odd = new Map();
    },
  };
}
