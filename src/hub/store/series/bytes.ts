/** Whole numbers, doubles and text in as few bytes as they need. */

/** Bytes that end before what they should hold, or hold something else. */
export class BytesFault extends Error {}

/** Small numbers of either sign as small numbers (protobuf's zigzag). */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(code: number): number {
  return code & 1 ? -(code + 1) / 2 : code / 2;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes that grow as they are written. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** What it takes in memory. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** What was written from `start` on; valid until the next write. */
  view(start = 0): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** An unsigned number below 2^53, seven bits a byte. */
  varint(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#grow(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest & 127) | 128;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  double(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#grow(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  raw(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Its length, then the text. */
  text(text: string): void {
    const bytes = encoder.encode(text);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  #grow(more: number): void {
    const bytes = new Uint8Array(Math.max(this.#length + more, Math.ceil(this.#bytes.length * 1.5)));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}

/** Reads what a {@link ByteWriter} wrote. Every method throws {@link BytesFault} past the end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  varint(): number {
    const first = this.#bytes[this.#at++];
    if (first === undefined) throw new BytesFault("it ends too early");
    if (first < 128) return first;
    let value = first & 127;
    for (let scale = 128; scale <= 2 ** 49; scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new BytesFault("it ends too early");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new BytesFault("a number does not end");
  }

  double(): number {
    const bytes = this.raw(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
  }

  raw(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new BytesFault("it ends too early");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  text(): string {
    return decoder.decode(this.raw(this.varint()));
  }
}
