/** Columns that grow as entries come. Messages are taken over as bytes, so that nothing of an entry is kept alive. */
import type { Level, LogEntry, Stream } from "#src/protocol/log.ts";
import { type Lines, type Odd, levelRank, streamRank } from "./lines.ts";

export type Builder = {
  readonly count: number;
  add(entry: LogEntry, ms: number, position: number): void;
  /** Takes the messages of what was added over; `lines` needs it. */
  flush(): void;
  /** Columns that are good until `reset`. */
  lines(): Lines;
  /** Forgets the entries and keeps the room, so that large buffers are not made anew all the time. */
  reset(): void;
};

/** What a quiet source's text takes; it doubles as it grows. */
const firstBytes = 4096;

/** A builder of entries of `sources`; with several, `rank` tells which one an entry is of. */
export function createBuilder(sources: readonly string[], rank?: (source: string) => number): Builder {
  let room = 256;
  let count = 0;
  let times = new Float64Array(room);
  let positions = new Float64Array(room);
  let seqs = new Float64Array(room);
  let levels = new Uint8Array(room);
  let streams = new Uint8Array(room);
  let offsets = new Uint32Array(room + 1);
  let sourceIndex = new Uint16Array(rank === undefined ? 0 : room);
  // neighbours mostly share both: comparing is cheaper than looking up
  let level: Level | undefined;
  let levelNow = 0;
  let stream: Stream | undefined;
  let streamNow = 0;
  let fields: string[] | undefined;
  let pending: string[] = [];
  let text = Buffer.allocUnsafe(firstBytes);
  let size = 0;
  let odd = new Map<number, Odd>();

  function grow(): void {
    room *= 2;
    times = longer(times, new Float64Array(room));
    positions = longer(positions, new Float64Array(room));
    seqs = longer(seqs, new Float64Array(room));
    levels = longer(levels, new Uint8Array(room));
    streams = longer(streams, new Uint8Array(room));
    offsets = longer(offsets, new Uint32Array(room + 1));
    if (rank !== undefined) sourceIndex = longer(sourceIndex, new Uint16Array(room));
  }

  function flush(): void {
    if (pending.length === 0) return;
    pending.push("");
    const joined = pending.join("\n");
    pending.pop();
    const bytes = Buffer.byteLength(joined);
    const plain = bytes === joined.length;
    const wellFormed = plain || joined.isWellFormed();
    if (size + bytes > text.length) {
      const wider = Buffer.allocUnsafe(Math.max(text.length * 2, size + bytes));
      text.copy(wider, 0, 0, size);
      text = wider;
    }
    text.write(joined, size);
    let index = count - pending.length;
    for (const message of pending) {
      size += (plain ? message.length : Buffer.byteLength(message)) + 1;
      if (!wellFormed && !message.isWellFormed()) odd.set(index, { ...odd.get(index), message });
      offsets[++index] = size;
    }
    pending = [];
  }

  return {
    get count() {
      return count;
    },
    add(entry, ms, position) {
      if (count === room) grow();
      times[count] = ms;
      positions[count] = position;
      seqs[count] = entry.seq;
      if (entry.level !== level) {
        level = entry.level;
        levelNow = levelRank.get(level) ?? 1;
      }
      levels[count] = levelNow;
      if (entry.stream !== stream) {
        stream = entry.stream;
        streamNow = streamRank.get(stream) ?? 0;
      }
      streams[count] = streamNow;
      if (rank !== undefined) sourceIndex[count] = rank(entry.source);
      pending.push(entry.message);
      if (entry.fields !== undefined) {
        fields ??= Array.from({ length: count }, () => "");
        fields.push(JSON.stringify(entry.fields));
      } else fields?.push("");
      // the form that `Date` writes: then the milliseconds say it all
      if (entry.at.length !== 24 || entry.at.charCodeAt(19) !== 46) odd.set(count, { at: entry.at });
      count++;
    },
    flush,
    reset() {
      count = size = 0;
      pending = [];
      fields = undefined;
      odd = new Map();
    },
    lines() {
      flush();
      return {
        count,
        times: times.subarray(0, count),
        positions: positions.subarray(0, count),
        seqs: seqs.subarray(0, count),
        levels: levels.subarray(0, count),
        streams: streams.subarray(0, count),
        text: text.subarray(0, size),
        offsets: offsets.subarray(0, count + 1),
        fields: fields ?? null,
        sources,
        sourceIndex: sources.length > 1 ? sourceIndex.subarray(0, count) : null,
        odd,
      };
    },
  };
}

function longer<T extends Float64Array | Uint8Array | Uint16Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
