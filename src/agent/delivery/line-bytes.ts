/** How many bytes the first entries of a chunk take: looked for in its file, since the index does not keep it. */
import { type Chunk, entriesOf } from "./chunks.ts";
import { readSegment } from "./segment.ts";

export type LineBytes = {
  /** Bytes that the first `lines` entries of a chunk take. */
  of(chunk: Chunk, lines: number): number;
  /** Gives back memory that only a burst needed. */
  relax(): void;
};

export function createLineBytes(): LineBytes {
  let buffer = Buffer.allocUnsafe(0);
  return {
    of(chunk, lines) {
      // what so many lines take on average, and some more; all of the chunk when that was too little
      const guess = Math.ceil((chunk.bytes / entriesOf(chunk)) * lines * 1.5) + 1024;
      for (const size of [Math.min(guess, chunk.bytes), chunk.bytes]) {
        if (buffer.length < size) buffer = Buffer.allocUnsafe(size);
        const bytes = buffer.subarray(0, size);
        readSegment(chunk.segment, bytes, chunk.offset);
        let at = 0;
        let found = 0;
        for (let end = bytes.indexOf(10); end !== -1 && found < lines; end = bytes.indexOf(10, at)) {
          at = end + 1;
          found++;
        }
        if (found === lines) return at;
      }
      return chunk.bytes;
    },
    relax() {
      buffer = Buffer.allocUnsafe(0);
    },
  };
}
