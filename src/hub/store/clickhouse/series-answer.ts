/** Answers in RowBinary, read into columns. What was compressed on the way has been inflated by then. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { BytesFault } from "../series/bytes.ts";
import type { Clickhouse } from "./client.ts";

const decoder = new TextDecoder();

/**
 * A query's whole answer. What takes longer serves nobody; shards that hold none of the origins are not asked. Rejects
 * with a Fault.
 */
export async function readAnswer(
  client: Pick<Clickhouse, "read" | "address">,
  sql: string,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const stream = await client.read(sql, {
    // a failure half-way is then a failure, and no half answer
    settings: { max_execution_time: 30, optimize_skip_unused_shards: 1, max_threads: 4, wait_end_of_query: 1 },
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    return await Bun.readableStreamToBytes(stream);
  } catch (error) {
    signal?.throwIfAborted();
    throw new Fault("unavailable", `ClickHouse at ${client.address} broke its answer off: ${reasonOf(error)}`, {
      hint: "See ClickHouse's log",
      cause: error,
    });
  }
}

/** Reads an answer from its beginning. Every method throws {@link BytesFault} past the end. */
export class RowReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  text(): string {
    const from = this.#take(this.#length());
    return decoder.decode(this.#bytes.subarray(from, this.#at));
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  int64(): number {
    return Number(this.#view.getBigInt64(this.#take(8), true));
  }

  uint32s(): number[] {
    const count = this.#length();
    const from = this.#take(4 * count);
    const numbers = Array<number>(count);
    for (let i = 0; i < count; i++) numbers[i] = this.#view.getUint32(from + 4 * i, true);
    return numbers;
  }

  doubles(): number[] {
    const count = this.#length();
    const from = this.#take(8 * count);
    const numbers = Array<number>(count);
    for (let i = 0; i < count; i++) numbers[i] = this.#view.getFloat64(from + 8 * i, true);
    return numbers;
  }

  /** Passes an array of numbers of so many bytes. */
  skip(size: number): void {
    this.#take(size * this.#length());
  }

  /** A varint (LEB128). */
  #length(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 42; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new BytesFault("a number does not end");
  }

  #take(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw new BytesFault("the answer ends too early");
    this.#at += length;
    return from;
  }
}
