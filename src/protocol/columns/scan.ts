/**
 * Log entries from NDJSON to columns without an object or a string for each line: one walk over the bytes. Lines that are
 * written just as our agent writes them take the fast lane; any other is parsed as JSON and checked by hand.
 */
import { isUtf8 } from "node:buffer";

import { parseInstant } from "#src/lib/instant.ts";
import type { LogColumns, Odd } from "../log-columns.ts";
import { type LogEntry, levels, streams } from "../log.ts";
import { timeOfEntry } from "./check.ts";
import { createFieldsColumn } from "./fields.ts";
import { createUnescaper } from "./json-text.ts";
import { type Literal, isAt, literal, whichAt } from "./literal.ts";
import { levelRank, streamRank } from "./ranks.ts";
import { type ColumnRoom, createColumnRoom, growColumnRoom, trimColumnRoom } from "./room.ts";
import { createSourceTable } from "./sources.ts";

/** Longest line in bytes; with a longer one a delivery is not for here. */
export const maxLineBytes = 1024 * 1024;

const newline = 10;
const zero = 48;
const closing = 125;

/** Room that is kept between calls: for what agents send at once. More is made for the call. */
const keptLines = 8192;
const keptBytes = 2 * 1024 * 1024;
const beforeSeq = literal('{"seq":');
const beforeAt = literal(',"at":"');
const beforeSource = literal('Z","source":"');
const beforeStream = literal('","stream":"');
const afterStreams = streams.map((name) => literal(`${name}","level":"`));
const afterLevels = levels.map((name) => literal(`${name}","message":"`));
/** Where in an `at` the part that neighbours mostly share ends: behind the dot. */
const sharedTime = 20;

let keptRoom: ColumnRoom | undefined;
let keptText: Buffer | undefined;

/**
 * The entries of `plain`, one a line, in columns of their own. null: a line is none, or too long; who wants to know which
 * one reads them one by one. `onForeign` is told of a line that is not in the form that agents write: it may have said
 * more than the columns hold.
 */
export function scanEntries(plain: Uint8Array, onForeign: () => void = () => undefined): LogColumns | null {
  // what is no UTF-8 would have to be replaced
  if (!isUtf8(plain)) return null;
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const { length } = bytes;
  const view = new DataView(plain.buffer, plain.byteOffset, length);
  const text =
    length + 4 <= keptBytes ? (keptText ??= Buffer.allocUnsafeSlow(keptBytes)) : Buffer.allocUnsafeSlow(length + 4);
  let room = (keptRoom ??= createColumnRoom(keptLines));
  const unescaper = createUnescaper(bytes, text);
  const sources = createSourceTable(bytes);
  const odd = new Map<number, Odd>();
  const fields = createFieldsColumn(bytes);
  let count = 0;
  // the part of a time that neighbours share
  let sharedAt = -1;
  let sharedMs = 0;

  for (let start = 0; start < length;) {
    if (count === room.levels.length) room = growColumnRoom(room);
    unescaper.end = count === 0 ? 0 : (room.offsets[count] as number);
    let next = scanLine(start);
    if (next === -1) {
      next = parseLine(start);
      onForeign();
    }
    if (next === -1 || next - start > maxLineBytes + 1) return null;
    start = next;
  }
  return finish();

  /** @returns where the next line begins; -1: it is not in the form that agents write */
  function scanLine(start: number): number {
    if (!isAt(view, start, beforeSeq)) return -1;
    let at = start + beforeSeq.length;
    const firstDigit = at;
    let seq = 0;
    let byte = bytes[at] as number;
    while (byte >= zero && byte < zero + 10) {
      seq = seq * 10 + byte - zero;
      byte = bytes[++at] as number;
    }
    // fifteen digits are exact; JSON's numbers have no leading zeros
    if (at === firstDigit || at - firstDigit > 15 || (bytes[firstDigit] === zero && at - firstDigit > 1)) return -1;
    if (!isAt(view, at, beforeAt)) return -1;
    const atBegin = at + beforeAt.length;
    if (atBegin + 32 > length) return -1;
    if (sharedAt === -1 || !sharesTime(view, sharedAt, atBegin)) {
      const ms = parseInstant(`${bytes.toString("latin1", atBegin, atBegin + sharedTime)}000Z`);
      if (Number.isNaN(ms)) return -1;
      sharedAt = atBegin;
      sharedMs = ms;
    }
    let ms = sharedMs;
    let scale = 100;
    at = atBegin + sharedTime;
    for (byte = bytes[at] as number; byte >= zero && byte < zero + 10; byte = bytes[++at] as number) {
      ms += (byte - zero) * scale;
      scale = scale > 1 ? scale / 10 : 0;
    }
    const digits = at - atBegin - sharedTime;
    if (digits === 0 || !isAt(view, at, beforeSource)) return -1;
    const atEnd = at + 1;
    at += beforeSource.length;
    const source = sources.rankAt(at);
    if (source === -1) return -1;
    at = sources.end;
    if (!isAt(view, at, beforeStream)) return -1;
    at += beforeStream.length;
    const stream = whichAt(view, at, afterStreams);
    if (stream === -1) return -1;
    at += (afterStreams[stream] as Literal).length;
    const level = whichAt(view, at, afterLevels);
    if (level === -1) return -1;
    at = unescaper.unescape(at + (afterLevels[level] as Literal).length);
    if (at === -1) return -1;
    let next = at + 2;
    if (bytes[at + 1] !== closing || (next < length && bytes[next] !== newline)) {
      const found = bytes.indexOf(newline, next);
      next = found === -1 ? length : found;
      if (!fields.read(count, at + 1, next)) return -1;
    } else fields.none();
    if (digits !== 3) odd.set(count, { at: bytes.toString("latin1", atBegin, atEnd) });
    put(seq, ms, source, stream, level);
    return next + 1;
  }

  function put(seq: number, ms: number, source: number, stream: number, level: number): void {
    room.seqs[count] = seq;
    room.times[count] = ms;
    room.sourceIndex[count] = source;
    room.streams[count] = stream;
    room.levels[count] = level;
    text[unescaper.end++] = newline;
    room.offsets[++count] = unescaper.end;
  }

  /** @returns where the next line begins; -1: it is no entry */
  function parseLine(start: number): number {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? length : found;
    const line = bytes.toString("utf8", start, end).trim();
    if (line === "") return end + 1;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      // whoever reads it line by line says what is wrong with it
      return -1;
    }
    const ms = timeOfEntry(value, sources.ranks);
    if (ms === undefined) return -1;
    const entry = value as LogEntry;
    if (entry.at.length !== 24 || entry.at.charCodeAt(19) !== 46) odd.set(count, { at: entry.at });
    if (!entry.message.isWellFormed()) odd.set(count, { ...odd.get(count), message: entry.message });
    unescaper.end = count === 0 ? 0 : (room.offsets[count] as number);
    unescaper.end += text.write(entry.message, unescaper.end);
    fields.put(count, entry.fields);
    const stream = streamRank.get(entry.stream) ?? 0;
    put(entry.seq, ms, sources.rankOf(entry.source), stream, levelRank.get(entry.level) ?? 0);
    return end + 1;
  }

  function finish(): LogColumns {
    room.offsets[0] = 0;
    const { times, seqs, levels: ofLevels, streams: ofStreams, offsets, sourceIndex } = trimColumnRoom(room, count);
    const own = Buffer.allocUnsafeSlow(offsets[count] ?? 0);
    text.copy(own, 0, 0, own.length);
    return {
      count,
      times,
      seqs,
      levels: ofLevels,
      streams: ofStreams,
      text: own,
      offsets,
      fields: fields.all(),
      sources: sources.names,
      sourceIndex: sources.names.length > 1 ? sourceIndex : null,
      odd,
    };
  }
}

/** Whether the twenty bytes at both places are the same. */
function sharesTime(view: DataView, a: number, b: number): boolean {
  for (let i = 0; i < sharedTime; i += 4) if (view.getInt32(a + i, true) !== view.getInt32(b + i, true)) return false;
  return true;
}
