/**
 * Log entries out of NDJSON. The fast way goes over the bytes once, see columns/scan.ts. Whatever it does not like goes
 * the slow way, line by line through the schema, which has the last word and names the line.
 */
import { parseInstant } from "#src/lib/instant.ts";
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import { maxLineBytes, scanEntries } from "#src/protocol/columns/scan.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type LogEntry, logEntry, maxMessageLength } from "#src/protocol/log.ts";
import { firstIssue, z } from "#src/protocol/schema.ts";
import type { EntryBatch } from "../ports.ts";
import { HttpFault } from "../problem.ts";

/** Longest JSON text of the fields of a line that is too long. */
const maxFieldsLength = 64 * 1024;

const newline = 10;

/**
 * The entries of `plain`. Throws HttpFault 400 naming the first line that is not an entry.
 * @param zstd the same bytes compressed, kept with the batch if they say nothing but entries
 * @param firstLine number of the first line, where this is a part of something larger
 */
export function readEntries(plain: Uint8Array, zstd: Uint8Array | null, firstLine = 1): EntryBatch {
  // what a line says beside its entry is looked at by nobody, so that it could hold a secret: then the bytes are not kept
  let foreign = false;
  const columns = scanEntries(plain, () => (foreign = true));
  return columns === null
    ? readCarefully(plain, firstLine)
    : { columns, zstd: foreign ? null : zstd, bytes: plain.length };
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

function readCarefully(plain: Uint8Array, firstLine: number): EntryBatch {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const builder = createColumnBuilder();
  for (let start = 0, line = firstLine; start < bytes.length; line++) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found;
    const text = bytes.toString("utf8", start, end).trim();
    if (text !== "") {
      const entry = readLine(text, line);
      builder.add(end - start <= maxLineBytes ? entry : cutEntry(entry), parseInstant(entry.at));
    }
    start = end + 1;
  }
  return { columns: builder.columns(), zstd: null, bytes: plain.length };
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
