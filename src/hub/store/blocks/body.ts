/**
 * The body of a block: its columns in up to four zstd frames, so that who wants times doesn't inflate messages.
 *
 *     u32 bytes of each frame (4, little endian), then the frames:
 *     index     count, times, sequence numbers, positions, levels, streams, sources, lengths of messages
 *     text      messages, each followed by a newline
 *     fields    JSON texts, each followed by a newline; empty when no entry has any
 *     odd       JSON of what doesn't fit (lines.ts `Odd`), by index; empty as a rule
 */
import { indexVersion, oneLevel, oneStream, readIndex, withLengths } from "./body-index.ts";
import type { Lines, Odd } from "./lines.ts";
import { createNumberWriter } from "./varint.ts";

const headBytes = 16;
const frames = 4;

/** Compresses in threads of the runtime; `newlines`: how many are in the text. */
export async function writeBody(lines: Lines, newlines: number, level: number): Promise<Uint8Array> {
  const parts = plainFrames(lines, newlines).map(async (frame) =>
    frame === null ? empty : await Bun.zstdCompress(frame, { level }),
  );
  return joinFrames(await Promise.all(parts));
}

/** The same at once. */
export function writeBodySync(lines: Lines, level: number): Uint8Array {
  const frames = plainFrames(lines, countNewlines(lines.text));
  return joinFrames(frames.map((frame) => (frame === null ? empty : Bun.zstdCompressSync(frame, { level }))));
}

/** null: there is nothing in it. */
function plainFrames(lines: Lines, newlines: number): readonly (Uint8Array | string | null)[] {
  const { odd, fields, text } = lines;
  return [
    writeIndex(lines, newlines),
    text,
    fields === null ? null : `${fields.join("\n")}\n`,
    odd.size === 0 ? null : JSON.stringify([...odd]),
  ];
}

const empty = new Uint8Array(0);

function countNewlines(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(10); at !== -1; at = text.indexOf(10, at + 1)) count++;
  return count;
}

/** The entries of a body, all columns. Throws when it is damaged. */
export function readBody(body: Uint8Array): Lines {
  const [index, text, fields, odd] = splitFrames(body);
  const { lengths, ...columns } = readIndex(index);
  const messages = inflate(text);
  return {
    ...columns,
    text: messages,
    offsets: offsetsIn(messages, columns.count, lengths),
    fields: readFields(fields),
    odd: readOdd(odd),
  };
}

/** How many entries a body has. Throws when that is damaged. */
export function countEntries(body: Uint8Array): number {
  return readIndex(splitFrames(body)[0]).count;
}

/** Frames of a body, read. */
export function inflate(frame: Uint8Array): Buffer {
  return Bun.zstdDecompressSync(frame);
}

/** null: no entry has any. */
export function readFields(frame: Uint8Array): readonly string[] | null {
  return frame.length === 0 ? null : inflate(frame).toString().split("\n");
}

export function readOdd(frame: Uint8Array): ReadonlyMap<number, Odd> {
  return frame.length === 0 ? none : new Map(JSON.parse(inflate(frame).toString()) as [number, Odd][]);
}

const none: ReadonlyMap<number, Odd> = new Map();

/** Where messages begin and end: by their lengths, or where there are none by newlines. Throws RangeError. */
export function offsetsIn(text: Buffer, count: number, lengths: Uint32Array | null): Uint32Array {
  const offsets = new Uint32Array(count + 1);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = lengths === null ? text.indexOf(10, at) : at + (lengths[i] as number);
    if (end === -1) throw new RangeError("fewer messages than entries");
    offsets[i + 1] = at = end + 1;
  }
  return offsets;
}

function joinFrames(parts: readonly Uint8Array[]): Uint8Array {
  const body = new Uint8Array(parts.reduce((sum, part) => sum + part.length, headBytes));
  const head = new DataView(body.buffer, 0, headBytes);
  let at = headBytes;
  parts.forEach((part, i) => {
    head.setUint32(i * 4, part.length, true);
    body.set(part, at);
    at += part.length;
  });
  return body;
}

/** The same columns, pressed harder. */
export async function recompress(body: Uint8Array, level: number): Promise<Uint8Array> {
  const parts = splitFrames(body).map(async (frame) =>
    frame.length === 0 ? frame : await Bun.zstdCompress(await Bun.zstdDecompress(frame), { level }),
  );
  return joinFrames(await Promise.all(parts));
}

type Frames = readonly [index: Uint8Array, text: Uint8Array, fields: Uint8Array, odd: Uint8Array];

/** Throws RangeError when it is damaged. */
export function splitFrames(body: Uint8Array): Frames {
  if (body.length < headBytes) throw new RangeError("a block's body ends early");
  const head = new DataView(body.buffer, body.byteOffset, headBytes);
  const parts: Uint8Array[] = [];
  let at = headBytes;
  for (let i = 0; i < frames; i++) {
    const length = head.getUint32(i * 4, true);
    parts.push(body.subarray(at, at + length));
    at += length;
  }
  if (at !== body.length) throw new RangeError("a block's body has another length than it says");
  const [index = empty, text = empty, fields = empty, odd = empty] = parts;
  return [index, text, fields, odd];
}

function writeIndex(lines: Lines, newlines: number): Uint8Array {
  const { count, times, seqs, positions, levels, streams, offsets } = lines;
  const writer = createNumberWriter(count * 5 + 256);
  const level = isConstant(levels) ? oneLevel : 0;
  const stream = isConstant(streams) ? oneStream : 0;
  const lengths = newlines === count ? 0 : withLengths;
  writer.byte(indexVersion);
  writer.byte(level | stream | lengths);
  writer.unsigned(count);
  writer.unsigned(lines.text.length);
  writeDeltas(times, writer.signed);
  writeDeltas(seqs, writer.signed);
  writePositions(positions, seqs, writer.unsigned, writer.signed);
  writer.bytes(level === 0 ? levels : Uint8Array.of(levels[0] ?? 0));
  writer.bytes(stream === 0 ? streams : Uint8Array.of(streams[0] ?? 0));
  writer.unsigned(lines.sources.length);
  for (const source of lines.sources) {
    const name = Buffer.from(source);
    writer.unsigned(name.length);
    writer.bytes(name);
  }
  if (lines.sourceIndex !== null) for (const rank of lines.sourceIndex) writer.unsigned(rank);
  if (lengths !== 0) {
    for (let i = 0; i < count; i++) writer.unsigned((offsets[i + 1] as number) - (offsets[i] as number) - 1);
  }
  return writer.done();
}

function isConstant(values: Uint8Array): boolean {
  const [first] = values;
  for (let i = 1; i < values.length; i++) if (values[i] !== first) return false;
  return true;
}

function writeDeltas(values: Float64Array, write: (value: number) => void): void {
  let last = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    write(value - last);
    last = value;
  }
}

/** Within a delivery positions run beside sequence numbers: a run is how many, and how far they lie apart. */
function writePositions(
  positions: Float64Array,
  seqs: Float64Array,
  length: (value: number) => void,
  apart: (value: number) => void,
): void {
  let last = 0;
  for (let from = 0; from < positions.length;) {
    const offset = (positions[from] as number) - (seqs[from] as number);
    let to = from + 1;
    while (to < positions.length && (positions[to] as number) - (seqs[to] as number) === offset) to++;
    length(to - from);
    apart(offset - last);
    last = offset;
    from = to;
  }
}
