/**
 * Log entries out of NDJSON. The fast way checks what the schema checks, by hand: three times as fast, and a delivery
 * has thousands of entries. Whatever the fast way does not like goes the slow way, line by line through the schema,
 * which has the last word and names the line.
 */
import { parseInstant } from "#src/lib/instant.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type LogEntry, levels, logEntry, maxMessageLength, sourceName, streams } from "#src/protocol/log.ts";
import { firstIssue, z } from "#src/protocol/schema.ts";
import type { EntryBatch } from "../ports.ts";
import { HttpFault } from "../problem.ts";

/** Longest line in bytes; the message of a longer one is cut, its fields are dropped if need be. */
export const maxLineBytes = 1024 * 1024;

/** Longest JSON text of the fields of such a line. */
const maxFieldsLength = 64 * 1024;

const newline = 10;
const knownLevels: ReadonlySet<unknown> = new Set(levels);
const knownStreams: ReadonlySet<unknown> = new Set(streams);

/**
 * The entries of `plain`. Throws HttpFault 400 naming the first line that is not an entry.
 * @param zstd the same bytes compressed, kept with the batch unless an entry had to be changed
 * @param firstLine number of the first line, where this is a part of something larger
 */
export function readEntries(plain: Uint8Array, zstd: Uint8Array | null, firstLine = 1): EntryBatch {
  const { values, done, error } = Bun.JSONL.parseChunk(plain);
  if (done && error === null && !hasLongLine(plain)) {
    const times = new Float64Array(values.length);
    if (areEntries(values, times)) return { entries: values, times, ndjson: plain, zstd };
  }
  return readCarefully(plain, firstLine);
}

/** A stretch of whole lines, and the number of its first. */
export type Part = { readonly plain: Uint8Array; readonly firstLine: number };

/** `plain` in parts of at most `bytes`, whole lines each; a line that is longer is a part of its own. */
export function* partsOf(plain: Uint8Array, bytes: number): Generator<Part> {
  const all = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  for (let start = 0, firstLine = 1; start < all.length;) {
    let end = all.length;
    if (end - start > bytes) {
      const before = all.lastIndexOf(newline, start + bytes - 1);
      const after = before < start ? all.indexOf(newline, start) : before;
      if (after !== -1) end = after + 1;
    }
    const part = all.subarray(start, end);
    yield { plain: part, firstLine };
    for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, at + 1)) firstLine++;
    start = end;
  }
}

/** Whether all are entries; writes the time of each into `times`. */
export function areEntries(values: readonly unknown[], times: Float64Array): values is LogEntry[] {
  const sources = new Set<string>();
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== "object" || value === null) return false;
    const entry = value as Partial<Record<keyof LogEntry, unknown>>;
    if (!Number.isSafeInteger(entry.seq) || (entry.seq as number) < 0) return false;
    if (typeof entry.at !== "string" || typeof entry.message !== "string" || typeof entry.source !== "string")
      return false;
    if (entry.message.length > maxMessageLength) return false;
    const ms = parseInstant(entry.at);
    if (Number.isNaN(ms)) return false;
    times[i] = ms;
    if (!sources.has(entry.source)) {
      if (!z.core.safeParse(sourceName, entry.source).success) return false;
      sources.add(entry.source);
    }
    if (!knownLevels.has(entry.level) || !knownStreams.has(entry.stream)) return false;
    const { fields } = entry;
    if (fields !== undefined && (typeof fields !== "object" || fields === null || Array.isArray(fields))) return false;
  }
  return true;
}

/** Whether a line is over the limit: steps from line end to line end, at most a limit apart. */
function hasLongLine(plain: Uint8Array): boolean {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  for (let start = 0; bytes.length - start > maxLineBytes;) {
    const end = bytes.lastIndexOf(newline, start + maxLineBytes);
    if (end < start) return true;
    start = end + 1;
  }
  return false;
}

function readCarefully(plain: Uint8Array, firstLine: number): EntryBatch {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const entries: LogEntry[] = [];
  let changed = false;
  for (let start = 0, line = firstLine; start < bytes.length; line++) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found;
    const text = bytes.toString("utf8", start, end).trim();
    if (text !== "") {
      const entry = readLine(text, line);
      const whole = end - start <= maxLineBytes ? entry : cutEntry(entry);
      changed ||= whole !== entry;
      entries.push(whole);
    }
    start = end + 1;
  }
  const times = Float64Array.from(entries, (entry) => parseInstant(entry.at));
  return { entries, times, ndjson: changed ? null : plain, zstd: null };
}

function readLine(text: string, line: number): LogEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HttpFault(400, `line ${line} is not JSON: ${reasonOf(error).slice(0, 200)}`);
  }
  const result = z.core.safeParse(logEntry, value);
  if (result.success && Number.isSafeInteger(result.data.seq)) return result.data;
  const why = result.success ? "seq: too large" : firstIssue(result.error);
  throw new HttpFault(400, `line ${line} is not a log entry: ${why.slice(0, 300)}`);
}

/** An entry within the limit: message cut to it and marked, fields kept if they are small. */
export function cutEntry<E extends Pick<LogEntry, "message" | "fields">>(entry: E): E {
  const message = entry.message.slice(0, maxMessageLength);
  const tooBig = entry.fields !== undefined && JSON.stringify(entry.fields).length > maxFieldsLength;
  if (message.length === entry.message.length && !tooBig) return entry;
  const marks = message.length === entry.message.length ? {} : { cut: true, length: entry.message.length };
  return { ...entry, message, fields: { ...(tooBig ? { fieldsDropped: true } : entry.fields), ...marks } };
}
