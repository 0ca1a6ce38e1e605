/** The wire format of protobuf (protobuf.dev/programming-guides/encoding), reading; as much of it as OTLP needs. */

/** Bytes that are not protobuf. */
export class WireFault extends Error {}

/** Reads one message. What `tag` tells is taken by the method that fits, or left out by `skip`. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = end;
  }

  /** Whether nothing comes any more. */
  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** Field number times 8 plus wire type of what comes next; 0 at the end. */
  tag(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.varint();
    // field numbers count from 1 to 2^29 - 1
    if (tag < 8 || tag >= 2 ** 32) throw new WireFault(`there is no field ${Math.floor(tag / 8)}`);
    return tag;
  }

  /** An unsigned number of at most 53 bits; higher bits are lost. */
  varint(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      const byte = this.#byte();
      // beyond 2^53 a number is no length and no count of ours
      if (i < 8) value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new WireFault("a number does not end");
  }

  /** An int64: two's complement in 64 bits. */
  int64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
    throw new WireFault("a number does not end");
  }

  fixed64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(8));
  }

  fixed32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  text(): string {
    const length = this.varint();
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** Bytes in `encoding`. */
  bytes(encoding: "base64" | "hex"): string {
    const length = this.varint();
    const start = this.#take(length);
    return this.#bytes.toString(encoding, start, start + length);
  }

  /** A message inside this one. */
  message(): WireReader {
    const length = this.varint();
    const start = this.#take(length);
    return new WireReader(this.#bytes, start, start + length);
  }

  /** Leaves out what `tag` announced. */
  skip(tag: number): void {
    const type = tag & 7;
    if (type === 0) this.varint();
    else if (type === 1) this.#take(8);
    else if (type === 2) this.#take(this.varint());
    else if (type === 5) this.#take(4);
    // groups (3, 4) were never used by OTLP
    else throw new WireFault(`wire type ${type} is not known`);
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  /** Goes on by `length` bytes. @returns where they begin */
  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start) throw new WireFault("it ends too early");
    this.#at = start + length;
    return start;
  }
}

/** Fields in protobuf: text by number; what is empty is left out. */
export function writeFields(
  fields: readonly (readonly [number: number, value: string | number | Uint8Array])[],
): Buffer {
  const parts: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (typeof value === "number") {
      if (value !== 0) parts.push(writeVarint(number * 8), writeVarint(value));
      continue;
    }
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    if (bytes.length > 0) parts.push(writeVarint(number * 8 + 2), writeVarint(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function writeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
