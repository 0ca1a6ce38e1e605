/** Bytes to lines. A line ends with `\n`; what a chunk leaves unfinished waits for the next one. */
import { maxIpcLineBytes } from "#src/protocol/ipc.ts";

export type LineReader = {
  /** The lines that this chunk finishes, oldest first. `tooLong`: the limit was passed and the rest is thrown away. */
  push(chunk: Uint8Array): { readonly lines: string[]; readonly tooLong: boolean };
  /** The last line, when it came without its newline. */
  rest(): string | undefined;
};

const newline = 0x0a;

/** A reader of lines of at most `maxBytes` (without the newline). Bytes that are no UTF-8 become U+FFFD. */
export function createLineReader(maxBytes: number = maxIpcLineBytes): LineReader {
  let parts: Buffer[] = [];
  let size = 0;
  let ended = false;

  function finish(last: Buffer): string {
    const line = parts.length === 0 ? last.toString("utf8") : Buffer.concat([...parts, last]).toString("utf8");
    parts = [];
    size = 0;
    return line;
  }

  return {
    push(chunk) {
      const lines: string[] = [];
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let from = 0;
      while (!ended) {
        const end = bytes.indexOf(newline, from);
        const length = (end === -1 ? bytes.length : end) - from;
        if (size + length > maxBytes) {
          ended = true;
          parts = [];
          break;
        }
        if (end === -1) {
          // copied: the chunk belongs to the socket
          if (length > 0) parts.push(Buffer.from(bytes.subarray(from)));
          size += length;
          break;
        }
        lines.push(finish(bytes.subarray(from, end)));
        from = end + 1;
      }
      return { lines, tooLong: ended };
    },
    rest() {
      if (ended || size === 0) return undefined;
      return finish(Buffer.alloc(0));
    },
  };
}
