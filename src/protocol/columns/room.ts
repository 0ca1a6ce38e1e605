/** Room for the columns of fixed width while they are being filled. */
import type { LogColumns } from "../log-columns.ts";

export type ColumnRoom = {
  readonly times: Float64Array;
  readonly seqs: Float64Array;
  readonly offsets: Uint32Array;
  readonly sourceIndex: Uint16Array;
  readonly levels: Uint8Array;
  readonly streams: Uint8Array;
};

/** Bytes of room for `lines` entries: one piece of memory for all columns. */
export function roomBytes(lines: number): number {
  return linesIn(lines) * 24 + 4;
}

/** Each column begins where its width wants it. */
function linesIn(lines: number): number {
  return Math.ceil(lines / 8) * 8;
}

/** Room for `lines` entries at least. */
export function createColumnRoom(lines: number): ColumnRoom {
  const count = linesIn(lines);
  const memory = new ArrayBuffer(roomBytes(lines));
  return {
    times: new Float64Array(memory, 0, count),
    seqs: new Float64Array(memory, count * 8, count),
    offsets: new Uint32Array(memory, count * 16, count + 1),
    sourceIndex: new Uint16Array(memory, count * 20 + 4, count),
    levels: new Uint8Array(memory, count * 22 + 4, count),
    streams: new Uint8Array(memory, count * 23 + 4, count),
  };
}

/** Wider room with what is there; twice as wide, and for `least` entries. */
export function growColumnRoom(room: ColumnRoom, least = 0): ColumnRoom {
  const wider = createColumnRoom(Math.max(room.levels.length * 2, least));
  copyRoom(room, wider);
  return wider;
}

/** The first `count` entries, in memory of just their size. */
export function trimColumnRoom(room: ColumnRoom, count: number): ColumnRoom {
  const own = viewColumnRoom(createColumnRoom(count), count);
  copyRoom(viewColumnRoom(room, count), own);
  return own;
}

/** Views of the first `count` entries. */
export function viewColumnRoom(room: ColumnRoom, count: number): ColumnRoom {
  return {
    times: room.times.subarray(0, count),
    seqs: room.seqs.subarray(0, count),
    offsets: room.offsets.subarray(0, count + 1),
    sourceIndex: room.sourceIndex.subarray(0, count),
    levels: room.levels.subarray(0, count),
    streams: room.streams.subarray(0, count),
  };
}

/** Copies entries `from` to `to` but for their sources to place `at`, where their text lies `shift` bytes further on. */
export function copyRange(
  { times, seqs, levels, streams, offsets }: Pick<LogColumns, "times" | "seqs" | "levels" | "streams" | "offsets">,
  from: number,
  to: number,
  room: ColumnRoom,
  at: number,
  shift: number,
): void {
  for (let i = from, next = at; i < to; i++) {
    room.times[next] = times[i] as number;
    room.seqs[next] = seqs[i] as number;
    room.levels[next] = levels[i] as number;
    room.streams[next] = streams[i] as number;
    room.offsets[++next] = (offsets[i + 1] as number) + shift;
  }
}

function copyRoom(from: ColumnRoom, to: ColumnRoom): void {
  to.times.set(from.times);
  to.seqs.set(from.seqs);
  to.offsets.set(from.offsets);
  to.sourceIndex.set(from.sourceIndex);
  to.levels.set(from.levels);
  to.streams.set(from.streams);
}
