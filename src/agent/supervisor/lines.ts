/** Cutting a stream's bytes into whole lines. */
import { maxMessageLength } from "#src/protocol/log.ts";

/** What can be handed on of some bytes. */
export type Cut =
  /** whole lines: bytes 0 to `length`, the last one a newline */
  | { readonly kind: "lines"; readonly length: number }
  /** a piece of a line that is too long to wait for its end */
  | { readonly kind: "piece"; readonly length: number }
  /** nothing yet */
  | { readonly kind: "rest" };

/** Longest line kept in one piece, in bytes; see `maxMessageLength`. */
export const maxLineBytes = maxMessageLength;

/** Finds what `bytes` (the first `length` of the buffer) hold: all whole lines, or a piece of an over-long one. */
export function cutLines(bytes: Uint8Array, length: number): Cut {
  const newline = bytes.lastIndexOf(10, length - 1);
  if (newline !== -1 && newline < length) {
    const first = bytes.indexOf(10);
    // an over-long line goes piece by piece, so that what stands before it is not held up
    if (first >= maxLineBytes) return { kind: "piece", length: pieceEnd(bytes, maxLineBytes) };
    return { kind: "lines", length: newline + 1 };
  }
  if (length < maxLineBytes) return { kind: "rest" };
  return { kind: "piece", length: pieceEnd(bytes, maxLineBytes) };
}

/** `end`, or up to three bytes less, so that no UTF-8 character is cut in two (RFC 3629: 10xxxxxx goes on). */
function pieceEnd(bytes: Uint8Array, end: number): number {
  for (let at = end; at > end - 4; at--) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) !== 0x80) return at;
  }
  return end;
}

/** The length of the first `length` bytes without a UTF-8 character at their end that is not whole (RFC 3629). */
export function wholeCharacters(bytes: Uint8Array, length: number): number {
  for (let at = length - 1; at > 0 && at >= length - 4; at--) {
    const byte = bytes[at] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return at + needed > length ? at : length;
  }
  return length;
}
