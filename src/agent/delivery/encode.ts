/**
 * Lines to NDJSON entries, a whole chunk at a time. One JSON.stringify escapes the chunk, natively, and the result is cut
 * at its escaped newlines. Bytes are handled as Latin-1 throughout, one character for each, so that offsets in the
 * escaped text are offsets in its bytes and UTF-8 passes through untouched. Entries are put together in one buffer that
 * is used again: strings joined for each line took three times as long, most of it in the garbage collector (measured).
 */
import { isUtf8 } from "node:buffer";

import { type Level, levels } from "#src/protocol/log.ts";

import { levelOf } from "./level.ts";

/** What all lines of a chunk have in common. */
export type Stamp = {
  /** number of the first line */
  readonly seq: number;
  /** RFC 3339 */
  readonly at: string;
  readonly source: string;
  readonly stream: string;
  /** position of the stream behind the chunk; written into its last entry, which so commits the chunk */
  readonly end: number;
  readonly piece?: { readonly part: number; readonly last: boolean };
};

/** Entries of a chunk; `bytes` is valid until the next call. */
export type Encoded = { readonly bytes: Uint8Array; readonly count: number };

export type Encoder = {
  /**
   * Encodes whole lines, each ended by a newline; or, with `stamp.piece`, a piece of one line without any.
   * Invalid UTF-8 becomes U+FFFD, NUL becomes the visible U+2400, CRLF ends a line as LF does.
   */
  encode(bytes: Uint8Array, stamp: Stamp): Encoded;
  /** Gives back memory that only a burst needed. */
  relax(): void;
};

const restingBytes = 64 * 1024;
const seqDigits = 16; // Number.MAX_SAFE_INTEGER has as many
const nulAsLatin1 = Buffer.from("\u2400").toString("latin1");
const seqAt = '{"seq":'.length;
const entryEnd = Buffer.from('"}\n');

export function createEncoder(): Encoder {
  let out = Buffer.allocUnsafe(restingBytes);
  let scratch = Buffer.allocUnsafe(restingBytes);
  const digits = new Uint8Array(seqDigits);

  function escapeChunk(bytes: Uint8Array): { body: string; backslashes: boolean } {
    const valid = isUtf8(bytes) ? bytes : Buffer.from(decoder.decode(bytes));
    let plain = Buffer.from(valid.buffer, valid.byteOffset, valid.byteLength).toString("latin1");
    if (plain.includes("\0")) plain = plain.replaceAll("\0", nulAsLatin1);
    if (plain.includes("\r")) plain = plain.replaceAll("\r\n", "\n");
    const body = JSON.stringify(plain);
    if (body.length > scratch.length) scratch = Buffer.allocUnsafe(body.length * 2);
    scratch.write(body, 0, "latin1");
    return { body, backslashes: plain.includes("\\") };
  }

  function grow(needed: number, used: number): void {
    if (needed <= out.length) return;
    const next = Buffer.allocUnsafe(Math.max(needed, out.length * 2));
    out.copy(next, 0, 0, used);
    out = next;
  }

  function count(): void {
    for (let at = seqDigits - 1; at >= 0; at--) {
      const digit = digits[at] ?? 48;
      if (digit < 57) {
        digits[at] = digit + 1;
        return;
      }
      digits[at] = 48;
    }
  }

  return {
    encode(bytes, stamp) {
      const { body, backslashes } = escapeChunk(bytes);
      const coloured = body.includes("\\u001b");
      let width = String(stamp.seq).length;
      digits.fill(48);
      for (let i = 0; i < width; i++) digits[seqDigits - width + i] = String(stamp.seq).charCodeAt(i);
      let heads = headsFor(stamp, width);
      let used = 0;
      let lines = 0;
      const put = (start: number, end: number): void => {
        if (digits[seqDigits - width - 1] === 49) {
          // JSON has no leading zeros: behind a power of ten the number is one digit wider
          width++;
          heads = headsFor(stamp, width);
        }
        const head = heads[levelOf(body.slice(start, end), coloured)];
        grow(used + head.length + end - start + entryTailBytes, used);
        out.set(head, used);
        const from = seqDigits - width;
        for (let i = 0; i < width; i++) out[used + seqAt + i] = digits[from + i] ?? 48;
        used += head.length;
        used += scratch.copy(out, used, start, end);
        out.set(entryEnd, used);
        used += entryEnd.length;
        lines++;
        count();
      };
      if (stamp.piece !== undefined) {
        put(1, body.length - 1);
      } else {
        for (let start = 1; ;) {
          let end = body.indexOf("\\n", start);
          if (backslashes) while (end !== -1 && isEscaped(body, end)) end = body.indexOf("\\n", end + 1);
          if (end === -1) break;
          put(start, end);
          start = end + 2;
        }
      }
      if (lines > 0) {
        // the last entry commits the chunk
        const tail = `"${pieceFields(stamp)},"pos":${stamp.end}}\n`;
        used -= entryEnd.length;
        grow(used + tail.length, used);
        used += out.write(tail, used);
      }
      return { bytes: out.subarray(0, used), count: lines };
    },
    relax() {
      if (out.length > restingBytes) out = Buffer.allocUnsafe(restingBytes);
      if (scratch.length > restingBytes) scratch = Buffer.allocUnsafe(restingBytes);
    },
  };
}

// a byte order mark is a character of its line like any other, wherever a chunk happens to begin
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const entryTailBytes = 128;

/** What stands before the message, for each level. */
function headsFor(stamp: Stamp, width: number): Record<Level, Uint8Array> {
  const heads: Partial<Record<Level, Uint8Array>> = {};
  const common = `${"0".repeat(width)},"at":"${stamp.at}","source":${JSON.stringify(stamp.source)},"stream":"${stamp.stream}"`;
  for (const level of levels) heads[level] = Buffer.from(`{"seq":${common},"level":"${level}","message":"`);
  return heads as Record<Level, Uint8Array>;
}

function pieceFields({ piece }: Stamp): string {
  if (piece === undefined) return "";
  return `,"fields":{"cut":true,"part":${piece.part},"last":${piece.last}}`;
}

/** Whether the character at `index` belongs to the backslash before it. */
function isEscaped(text: string, index: number): boolean {
  let run = 0;
  while (text.charCodeAt(index - 1 - run) === 92) run++;
  return run % 2 === 1;
}
