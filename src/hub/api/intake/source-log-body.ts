/** The entries of a body that an application posted: one object, an array, or one a line. All of them, or none. */
import { parseJson } from "#src/lib/json.ts";
import { maxLineBytes } from "#src/protocol/columns/scan.ts";
import { largeBytes } from "./admission.ts";
import { cutEntry, partsOf } from "./ndjson.ts";
import { HttpFault } from "../problem.ts";
import { type SourceEntry, readSourceEntry } from "./source-log-entry.ts";
import { refuseManyValues } from "./weight.ts";

/** Most entries of one request. */
export const maxSourceEntries = 100_000;
/** A broken document of at most this size is searched for the place where it breaks. */
const maxSearchedBytes = 1024 * 1024;

const newline = 10;

/** Bytes of a large body that are read and stored at a time. */
const partBytes = 2 * 1024 * 1024;

/** What a body holds, checked: all of it at once, or in parts that are made as they are asked for. */
export type SourceBody = {
  readonly count: number;
  readonly parts: () => Iterable<readonly SourceEntry[]>;
};

/**
 * A large body with one object a line is read through here and read again in parts, so that never all of its entries
 * are in memory. Throws as {@link readSourceEntries}.
 */
export function readSourceBody(plain: Uint8Array, nowMs: number): SourceBody {
  const count = plain.length > largeBytes ? countLines(plain, nowMs) : undefined;
  if (count !== undefined) {
    return {
      count,
      *parts() {
        for (const part of partsOf(plain, partBytes)) yield readSourceEntries(part.plain, nowMs, part.firstLine);
      },
    };
  }
  const entries = readSourceEntries(plain, nowMs);
  return { count: entries.length, parts: () => [entries] };
}

/** Entries of a body with one object a line; undefined for one document over many lines. Throws as the reading does. */
function countLines(plain: Uint8Array, nowMs: number): number | undefined {
  let count = 0;
  for (const { plain: part, firstLine } of partsOf(plain, partBytes)) {
    if (part.length === plain.length) return undefined;
    try {
      count += readSourceEntries(part, nowMs, firstLine).length;
    } catch (error) {
      // it may be the beginning of something larger
      if (firstLine === 1) return undefined;
      throw error;
    }
    refuseManyEntries(count);
  }
  return count;
}

/**
 * Throws HttpFault 400 that names the first line or element that is wrong, 413 for too many.
 * @param firstLine number of the first line, where this is a part of something larger
 */
export function readSourceEntries(plain: Uint8Array, nowMs: number, firstLine = 1): SourceEntry[] {
  refuseManyValues(plain);
  const { values, done, error, read } = Bun.JSONL.parseChunk(plain);
  if (!done || error !== null) throw refused(whereBroken(plain, read, firstLine));
  const [only] = values;
  const array = values.length === 1 && Array.isArray(only) ? (only as unknown[]) : undefined;
  const all = array ?? values;
  refuseManyEntries(all.length);
  return all.map((value, i) => {
    const entry = readSourceEntry(value, nowMs);
    if ("wrong" in entry) {
      const where = array === undefined ? whereValue(plain, i, values.length, firstLine) : `element ${i}`;
      throw refused(`${where} is not a log entry: ${entry.wrong}`);
    }
    // in a smaller body there can't be one that is too long
    return plain.length > maxLineBytes ? boundEntry(entry) : entry;
  });
}

/** Throws HttpFault 413 for more entries than one request may hold. */
export function refuseManyEntries(count: number): void {
  if (count <= maxSourceEntries) return;
  throw new HttpFault(413, `the body holds more than ${maxSourceEntries} entries; send it in parts`);
}

/** The entry, cut and marked if it is longer than a line may be. */
export function boundEntry(entry: SourceEntry): SourceEntry {
  const fields = entry.fields === undefined ? 0 : JSON.stringify(entry.fields).length;
  const whole = entry.message.length + fields;
  return whole > maxLineBytes ? cutEntry(entry) : entry;
}

function refused(why: string): HttpFault {
  return new HttpFault(400, `${why.slice(0, 400)}; nothing of the body was stored`);
}

/** What is wrong with a body that is not JSON; `read` is where its last whole value ends. */
function whereBroken(plain: Uint8Array, read: number, firstLine: number): string {
  if (firstLine === 1 && read === 0 && plain.length <= maxSearchedBytes) {
    const first = new TextDecoder().decode(plain).trimStart();
    // one document over several lines, such as an array
    const result = first.startsWith("[") || plain.indexOf(newline) === -1 ? parseJson(first) : undefined;
    if (result?.ok === false) {
      const { line, column, reason } = result.failure;
      return `line ${line}, column ${column} is not JSON: ${reason}`;
    }
  }
  let at = read;
  while (isBlank(plain[at])) at++;
  return `line ${firstLine - 1 + lineAt(plain, at)} is not JSON`;
}

/** Where value `index` of `count` stands: its line, if each has one. */
function whereValue(plain: Uint8Array, index: number, count: number, firstLine: number): string {
  if (count === 1 && firstLine === 1) return "the body";
  let lines = 0;
  let found = 0;
  for (let start = 0; start < plain.length;) {
    const next = plain.indexOf(newline, start);
    const end = next === -1 ? plain.length : next;
    let at = start;
    while (at < end && isBlank(plain[at])) at++;
    if (at < end && lines++ === index) found = lineAt(plain, start);
    start = end + 1;
  }
  return lines === count ? `line ${firstLine - 1 + found}` : `entry ${index + 1}`;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 32 || byte === newline || byte === 13 || byte === 9;
}

/** The line, counted from 1, that holds the byte at `end`. */
function lineAt(plain: Uint8Array, end: number): number {
  let line = 1;
  for (let at = plain.indexOf(newline); at !== -1 && at < end; at = plain.indexOf(newline, at + 1)) line++;
  return line;
}
