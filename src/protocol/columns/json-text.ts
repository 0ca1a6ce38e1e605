/** Strings of JSON, unescaped from bytes to bytes. */

/** Bytes that end a plain stretch of a string: the closing quote, escapes, and what JSON does not allow. */
const isSpecial = Uint8Array.from({ length: 256 }, (_, byte) => (byte < 32 || byte === 34 || byte === 92 ? 1 : 0));

/** What a single letter after a backslash stands for; 0: nothing. */
const escapes = new Uint8Array(128);
for (const [letter, text] of Object.entries({
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
}))
  escapes[letter.charCodeAt(0)] = text.charCodeAt(0);

export type Unescaper = {
  /** where the output ended */
  end: number;
  /**
   * Writes the string whose text begins at `from` into `to`, from `end` on; it takes no more room than it had.
   * @returns where its closing quote is; -1: it is not a string, or holds half a character
   */
  readonly unescape: (from: number) => number;
};

/** Reads strings of `bytes`, which are UTF-8, into `to`, which must be four bytes larger. */
export function createUnescaper(bytes: Uint8Array, to: Uint8Array): Unescaper {
  const { length } = bytes;
  const source = new DataView(bytes.buffer, bytes.byteOffset, length);
  const target = new DataView(to.buffer, to.byteOffset, to.byteLength);
  const state: Unescaper = { end: 0, unescape };

  function unescape(from: number): number {
    let at = from;
    let end = state.end;
    for (;;) {
      // four plain bytes at a time (Alan Mycroft's test for a zero byte, with quote, backslash and less than 32)
      while (at + 4 <= length) {
        const four = source.getInt32(at, true);
        const quotes = four ^ 0x22222222;
        const backslashes = four ^ 0x5c5c5c5c;
        const special =
          ((quotes - 0x01010101) & ~quotes) |
          ((backslashes - 0x01010101) & ~backslashes) |
          ((four - 0x20202020) & ~four);
        if ((special & 0x80808080) !== 0) break;
        target.setInt32(end, four, true);
        at += 4;
        end += 4;
      }
      if (at >= length) return -1;
      let byte = bytes[at] as number;
      while (isSpecial[byte] === 0) {
        to[end++] = byte;
        if (++at >= length) return -1;
        byte = bytes[at] as number;
      }
      if (byte === 34) {
        state.end = end;
        return at;
      }
      if (byte !== 92 || at + 1 >= length) return -1;
      byte = bytes[at + 1] as number;
      if (byte === 117) {
        const code = hexAt(at + 2);
        // half of a character is not for here
        if (code < 0 || (code & 0xf800) === 0xd800) return -1;
        if (code < 0x80) to[end++] = code;
        else {
          if (code < 0x800) to[end++] = 0xc0 | (code >> 6);
          else {
            to[end++] = 0xe0 | (code >> 12);
            to[end++] = 0x80 | ((code >> 6) & 63);
          }
          to[end++] = 0x80 | (code & 63);
        }
        at += 6;
        continue;
      }
      const plain = byte < 128 ? (escapes[byte] as number) : 0;
      if (plain === 0) return -1;
      to[end++] = plain;
      at += 2;
    }
  }

  /** -1: not four hexadecimal digits. */
  function hexAt(at: number): number {
    if (at + 4 > length) return -1;
    let code = 0;
    for (let i = at; i < at + 4; i++) {
      const byte = bytes[i] as number;
      const lower = byte | 32;
      if (byte >= 48 && byte <= 57) code = code * 16 + byte - 48;
      else if (lower >= 97 && lower <= 102) code = code * 16 + lower - 87;
      else return -1;
    }
    return code;
  }

  return state;
}
