/** The index frame of a block's body (body.ts), read: everything of its entries but texts. */
import type { NumberReader } from "./varint.ts";
import { createNumberReader } from "./varint.ts";

/** How the frame is laid out; another layout gets another number. */
export const indexVersion = 1;
/** Flags: a column has one value for all entries, and there are lengths because messages hold newlines. */
export const [oneLevel, oneStream, withLengths] = [1, 2, 4];

export type Index = {
  readonly count: number;
  readonly textBytes: number;
  readonly times: Float64Array;
  readonly seqs: Float64Array;
  readonly positions: Float64Array;
  readonly levels: Uint8Array;
  readonly streams: Uint8Array;
  readonly sources: readonly string[];
  readonly sourceIndex: Uint16Array | null;
  /** bytes of each message; null: no message holds a newline */
  readonly lengths: Uint32Array | null;
};

/** Throws when it is damaged. */
export function readIndex(frame: Uint8Array): Index {
  const bytes = Bun.zstdDecompressSync(frame);
  const reader = createNumberReader(bytes);
  if (reader.byte() !== indexVersion) throw new RangeError("a block of an unknown form");
  const flags = reader.byte();
  const count = reader.unsigned();
  const textBytes = reader.unsigned();
  // an entry takes two bytes at least
  if (count > bytes.length) throw new RangeError("more entries than bytes");
  const times = new Float64Array(count);
  const seqs = new Float64Array(count);
  readDeltas(times, bytes, reader);
  readDeltas(seqs, bytes, reader);
  const positions = readPositions(seqs, reader);
  const column = (constant: number) =>
    (flags & constant) !== 0 ? new Uint8Array(count).fill(reader.byte()) : reader.bytes(count).slice();
  const levels = column(oneLevel);
  const streams = column(oneStream);
  const sources: string[] = [];
  for (let n = reader.unsigned(); n > 0; n--) sources.push(Buffer.from(reader.bytes(reader.unsigned())).toString());
  const sourceIndex = sources.length > 1 ? Uint16Array.from({ length: count }, reader.unsigned) : null;
  const lengths = (flags & withLengths) !== 0 ? Uint32Array.from({ length: count }, reader.unsigned) : null;
  return { count, textBytes, times, seqs, positions, levels, streams, sources, sourceIndex, lengths };
}

/** Nearly all are of one byte, which are read here: a search pays for each entry of each block that it opens. */
function readDeltas(values: Float64Array, bytes: Uint8Array, reader: NumberReader): void {
  let last = 0;
  let at = reader.at();
  for (let i = 0; i < values.length; i++) {
    const byte = bytes[at] as number;
    if (byte < 128) {
      last += (byte & 1) === 0 ? byte >> 1 : -(byte + 1) >> 1;
      at++;
    } else {
      reader.moveTo(at);
      last += reader.signed();
      at = reader.at();
    }
    values[i] = last;
  }
  reader.moveTo(at);
}

/** In runs that lie as far from their sequence numbers (body.ts). */
function readPositions(seqs: Float64Array, reader: NumberReader): Float64Array {
  const count = seqs.length;
  const positions = new Float64Array(count);
  let offset = 0;
  for (let from = 0; from < count;) {
    const to = from + reader.unsigned();
    if (to <= from || to > count) throw new RangeError("positions don't add up");
    offset += reader.signed();
    for (; from < to; from++) positions[from] = (seqs[from] as number) + offset;
  }
  return positions;
}
