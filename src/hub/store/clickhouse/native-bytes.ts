/** The pieces of ClickHouse's Native format: numbers and texts as bytes. clickhouse.com/docs/interfaces/formats/Native */

const two32 = 2 ** 32;

/** A number in base 128. @returns where it ends */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let to = at;
  for (; rest >= 128; rest >>>= 7) bytes[to++] = (rest & 127) | 128;
  bytes[to++] = rest;
  return to;
}

/** A short text with its length before it. @returns where it ends */
export function writeText(bytes: Buffer, at: number, text: string): number {
  const from = writeVarint(bytes, at, Buffer.byteLength(text));
  return from + bytes.write(text, from);
}

/** Whole numbers as 64-bit integers with a sign, in a view of bytes that begin at a multiple of 4. */
export function fillInts(words: Uint32Array, from: number, values: ArrayLike<number>): void {
  for (let i = 0, at = from * 2; i < values.length; i++) {
    const value = values[i] as number;
    const high = Math.floor(value / two32);
    words[at++] = value - high * two32;
    words[at++] = high;
  }
}

/** 64-bit integers as numbers: exact up to 2^53, which times in milliseconds, positions and numbers of senders are below. */
export function readInts(bytes: Buffer, at: number, count: number, signed: boolean): Float64Array {
  const values = new Float64Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, count * 8);
  for (let i = 0; i < count; i++) {
    const high = signed ? view.getInt32(i * 8 + 4, true) : view.getUint32(i * 8 + 4, true);
    values[i] = high * two32 + view.getUint32(i * 8, true);
  }
  return values;
}
