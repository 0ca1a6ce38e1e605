/**
 * Answers in ClickHouse's Native format as columns, block by block as they come. Texts come out the way log-columns.ts has
 * messages, so that entries can be looked at where they lie.
 */
import { parseError } from "@clickhouse/client-web";

import { readInts } from "./native-bytes.ts";

/** Texts one behind the other, each followed by a newline: text i is `text.subarray(offsets[i], offsets[i + 1] - 1)`. */
export type Texts = { readonly text: Buffer; readonly offsets: Uint32Array };
/** Texts of which there are few different ones. */
export type Names = { readonly names: readonly string[]; readonly indexes: Uint8Array | Uint16Array | Uint32Array };

export type Column =
  | { readonly kind: "numbers"; readonly values: Float64Array }
  | { readonly kind: "bytes"; readonly values: Uint8Array }
  | ({ readonly kind: "texts" } & Texts)
  | ({ readonly kind: "names" } & Names);

export type NativeBlock = {
  readonly rows: number;
  /** by name, in the order of the query */
  readonly columns: ReadonlyMap<string, Column>;
};

/** What no answer of ours has; an error's text begins with a letter or an underscore, which are more. */
const mostColumns = 40;
const firstBytes = 64 * 1024;

/**
 * Reads an answer to its end. Whoever stops early ends the query. Rejects with what ClickHouse says when the query fails
 * half-way: its text stands in the answer then, which is cut short; and when nothing comes for `stallMs`.
 */
export async function* readNative(
  answer: ReadableStream<Uint8Array>,
  stallMs?: number,
): AsyncGenerator<NativeBlock, void> {
  const input = createInput();
  const parser = parse(input);
  const reader = answer.getReader();
  let ended = false;
  try {
    for (;;) {
      const step = parser.next();
      if (step.done === true) {
        ended = true;
        return;
      }
      if (step.value !== null) {
        yield step.value;
        continue;
      }
      const { done, value } = await (stallMs === undefined ? reader.read() : within(stallMs, reader.read()));
      if (done) input.ended = true;
      else input.add(value);
    }
  } finally {
    if (!ended) await reader.cancel();
    reader.releaseLock();
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`nothing came for ${ms} ms`)), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

type Input = {
  bytes: Buffer;
  /** where the next thing begins, and where what has come ends */
  at: number;
  end: number;
  ended: boolean;
  add(more: Uint8Array): void;
};

function createInput(): Input {
  const input: Input = {
    bytes: Buffer.allocUnsafeSlow(firstBytes),
    at: 0,
    end: 0,
    ended: false,
    add(more) {
      if (input.end + more.length > input.bytes.length) {
        const wider = Buffer.allocUnsafeSlow(Math.max(input.bytes.length * 2, input.end + more.length));
        input.bytes.copy(wider, 0, 0, input.end);
        input.bytes = wider;
      }
      input.bytes.set(more, input.end);
      input.end += more.length;
    },
  };
  return input;
}

/** Gives blocks, and null when it needs more bytes. */
function* parse(input: Input): Generator<NativeBlock | null, void> {
  for (;;) {
    // what is behind is needed no more
    input.bytes.copyWithin(0, input.at, input.end);
    input.end -= input.at;
    input.at = 0;
    while (input.end === 0) {
      if (input.ended) return;
      yield null;
    }
    const count = yield* varint(input);
    if (count > mostColumns) {
      while (!input.ended) yield null;
      throw failureIn(input);
    }
    const rows = yield* varint(input);
    const columns = new Map<string, Column>();
    for (let i = 0; i < count; i++) {
      const name = yield* shortText(input);
      const type = yield* shortText(input);
      const column = rows === 0 ? undefined : yield* readColumn(input, type, rows);
      if (column !== undefined) columns.set(name, column);
    }
    if (rows > 0) yield { rows, columns };
  }
}

function* need(input: Input, count: number): Generator<null, void> {
  while (input.end - input.at < count) {
    if (input.ended) throw failureIn(input);
    yield null;
  }
}

function failureIn({ bytes, end }: Input): Error {
  const text = bytes.toString("utf8", 0, end);
  const at = text.lastIndexOf("Code: ");
  return at === -1 ? new Error("the answer is cut short") : parseError(text.slice(at));
}

function* varint(input: Input): Generator<null, number> {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    if (input.at === input.end) yield* need(input, 1);
    const byte = input.bytes[input.at++] as number;
    value += (byte & 127) * scale;
    if (byte < 128) return value;
  }
}

function* shortText(input: Input): Generator<null, string> {
  const length = yield* varint(input);
  yield* need(input, length);
  input.at += length;
  return input.bytes.toString("utf8", input.at - length, input.at);
}

function* readColumn(input: Input, type: string, rows: number): Generator<null, Column> {
  if (type === "UInt8" || type === "Bool") {
    yield* need(input, rows);
    input.at += rows;
    return { kind: "bytes", values: new Uint8Array(input.bytes.subarray(input.at - rows, input.at)) };
  }
  if (/^(?:U?Int64|DateTime64\(.*\))$/.test(type)) {
    yield* need(input, rows * 8);
    const values = readInts(input.bytes, input.at, rows, !type.startsWith("U"));
    input.at += rows * 8;
    return { kind: "numbers", values };
  }
  if (type === "String") return { kind: "texts", ...(yield* readTexts(input, rows)) };
  if (type === "LowCardinality(String)") return { kind: "names", ...(yield* readNames(input, rows)) };
  throw new Error(`an answer has a column of type ${type}, which is not asked for anywhere`);
}

function* readTexts(input: Input, rows: number): Generator<null, Texts> {
  const begins = new Uint32Array(rows);
  const offsets = new Uint32Array(rows + 1);
  let size = 0;
  for (let i = 0; i < rows; i++) {
    if (input.at === input.end) yield* need(input, 1);
    const byte = input.bytes[input.at] as number;
    let length = byte;
    if (byte < 128) input.at++;
    else length = yield* varint(input);
    if (input.end - input.at < length) yield* need(input, length);
    begins[i] = input.at;
    input.at += length;
    offsets[i + 1] = size += length + 1;
  }
  const text = Buffer.allocUnsafeSlow(size);
  for (let i = 0; i < rows; i++) {
    const [from, to] = [offsets[i] as number, (offsets[i + 1] as number) - 1];
    const begin = begins[i] as number;
    input.bytes.copy(text, from, begin, begin + to - from);
    text[to] = 10;
  }
  return { text, offsets };
}

const indexKinds = [Uint8Array, Uint16Array, Uint32Array] as const;

function* readNames(input: Input, rows: number): Generator<null, Names> {
  // version of the dictionary, kind of the indexes, number of names
  yield* need(input, 24);
  const Kind = indexKinds[input.bytes[input.at + 8] as number as 0 | 1 | 2];
  const count = Number(input.bytes.readBigUInt64LE(input.at + 16));
  input.at += 24;
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(yield* shortText(input));
  const length = rows * Kind.BYTES_PER_ELEMENT;
  yield* need(input, 8 + length);
  input.at += 8 + length;
  const own = new Uint8Array(input.bytes.subarray(input.at - length, input.at));
  return { names, indexes: new Kind(own.buffer) };
}
