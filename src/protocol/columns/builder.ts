/** Columns put together from entries, and from stretches of other columns. */
import type { LogColumns, Odd } from "../log-columns.ts";
import type { Level, LogEntry, Stream } from "../log.ts";
import { levelRank, streamRank } from "./ranks.ts";
import { copyRange, createColumnRoom, growColumnRoom, viewColumnRoom } from "./room.ts";
import { createTextRoom, makeTextRoom } from "./text-room.ts";

export type ColumnBuilder = {
  /** Adds one entry; `ms` is the time that its `at` says. */
  add(entry: LogEntry, ms: number): void;
  /** Adds entries `from` to `to` (not included) of others. */
  addRange(columns: LogColumns, from: number, to: number): void;
  /** All that was added, good until more is. */
  columns(): LogColumns;
};

/** Doubled as more come. */
const firstLines = 64;
const firstBytes = 4096;

export function createColumnBuilder(): ColumnBuilder {
  let room = createColumnRoom(firstLines);
  const text = createTextRoom(firstBytes);
  let count = 0;
  let fields: string[] | undefined;
  const odd = new Map<number, Odd>();
  const sources: string[] = [];
  const ranks = new Map<string, number>();
  // neighbours mostly share all three: comparing is cheaper than looking up
  let source: string | undefined;
  let sourceNow = 0;
  let level: Level | undefined;
  let levelNow = 0;
  let stream: Stream | undefined;
  let streamNow = 0;
  // messages that are joined before they are encoded: one native call for many
  let pending: string[] = [];

  function makeRoom(more: number): void {
    if (count + more > room.levels.length) room = growColumnRoom(room, count + more);
  }

  function rankOf(name: string): number {
    let rank = ranks.get(name);
    if (rank === undefined) {
      ranks.set(name, (rank = sources.length));
      sources.push(name);
    }
    return rank;
  }

  function flush(): void {
    if (pending.length === 0) return;
    const messages = pending;
    pending = [];
    const joined = `${messages.join("\n")}\n`;
    const bytes = Buffer.byteLength(joined);
    const plain = bytes === joined.length;
    const wellFormed = plain || joined.isWellFormed();
    makeTextRoom(text, bytes);
    text.bytes.write(joined, text.size);
    let index = count - messages.length;
    for (const message of messages) {
      text.size += (plain ? message.length : Buffer.byteLength(message)) + 1;
      if (!wellFormed && !message.isWellFormed()) odd.set(index, { ...odd.get(index), message });
      room.offsets[++index] = text.size;
    }
  }

  function addFields(of: (index: number) => string, from: number, to: number): void {
    fields ??= Array.from({ length: count }, () => "");
    for (let i = from; i < to; i++) fields.push(of(i));
  }

  return {
    add(entry, ms) {
      makeRoom(1);
      room.times[count] = ms;
      room.seqs[count] = entry.seq;
      if (entry.level !== level) {
        level = entry.level;
        levelNow = levelRank.get(level) ?? 1;
      }
      room.levels[count] = levelNow;
      if (entry.stream !== stream) {
        stream = entry.stream;
        streamNow = streamRank.get(stream) ?? 0;
      }
      room.streams[count] = streamNow;
      if (entry.source !== source) {
        source = entry.source;
        sourceNow = rankOf(source);
      }
      room.sourceIndex[count] = sourceNow;
      pending.push(entry.message);
      if (entry.fields !== undefined) {
        const own = JSON.stringify(entry.fields);
        addFields(() => own, 0, 1);
      } else fields?.push("");
      // the form that `Date` writes: then the milliseconds say it all
      if (entry.at.length !== 24 || entry.at.charCodeAt(19) !== 46) odd.set(count, { at: entry.at });
      count++;
    },
    addRange(columns, from, to) {
      flush();
      makeRoom(to - from);
      const [begin = 0, end = 0] = [columns.offsets[from], columns.offsets[to]];
      makeTextRoom(text, end - begin);
      columns.text.copy(text.bytes, text.size, begin, end);
      copyRange(columns, from, to, room, count, text.size - begin);
      text.size += end - begin;
      const { sourceIndex, fields: given } = columns;
      const own = columns.sources.map(rankOf);
      for (let i = from; i < to; i++) room.sourceIndex[count + i - from] = own[sourceIndex?.[i] ?? 0] ?? 0;
      if (given !== null || fields !== undefined) addFields((i) => given?.[i] ?? "", from, to);
      for (const [index, found] of columns.odd) {
        if (index >= from && index < to) odd.set(count + index - from, found);
      }
      count += to - from;
    },
    columns() {
      flush();
      const { sourceIndex, ...views } = viewColumnRoom(room, count);
      return {
        ...views,
        count,
        text: text.bytes.subarray(0, text.size),
        fields: fields ?? null,
        sources,
        sourceIndex: sources.length > 1 ? sourceIndex : null,
        odd,
      };
    },
  };
}

/** Columns of entries; `times` says when each was, as milliseconds. */
export function columnsOf(entries: readonly LogEntry[], times: ArrayLike<number>): LogColumns {
  const builder = createColumnBuilder();
  entries.forEach((entry, i) => builder.add(entry, times[i] ?? 0));
  return builder.columns();
}
