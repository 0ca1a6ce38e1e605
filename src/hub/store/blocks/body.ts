/**
 * The body of a block: its columns in up to four zstd frames, so that who wants times doesn't inflate messages.
 *
 *     u32 bytes of each frame (4, little endian), then the frames:
 *     index     count, times, sequence numbers, positions, levels, streams, sources, lengths of messages
 *     text      messages, each followed by a newline
 *     fields    JSON texts, each followed by a newline; empty when no entry has any
 *     odd       JSON of what doesn't fit (lines.ts `Odd`), by index; empty as a rule
 */
import type { Lines } from "./lines.ts";
import { createNumberReader, createNumberWriter } from "./varint.ts";

const version = 1;
const headBytes = 16;
const frames = 4;

const oneLevel = 1;
const oneStream = 2;
const withLengths = 4;

/** Compresses in threads of the runtime; `newlines`: how many are in the text. */
export async function writeBody(lines: Lines, newlines: number, level: number): Promise<Uint8Array> {
  const { odd, fields, text } = lines;
  const parts = await Promise.all([
    Bun.zstdCompress(writeIndex(lines, newlines), { level }),
    Bun.zstdCompress(text, { level }),
    fields === null ? empty : Bun.zstdCompress(`${fields.join("\n")}\n`, { level }),
    odd.size === 0 ? empty : Bun.zstdCompress(JSON.stringify([...odd]), { level }),
  ]);
  return joinFrames(parts);
}

const empty = new Uint8Array(0);

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

/** The four frames. Throws RangeError. */
export function splitFrames(body: Uint8Array): Uint8Array[] {
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
  return parts;
}

function writeIndex(lines: Lines, newlines: number): Uint8Array {
  const { count, times, seqs, positions, levels, streams, offsets } = lines;
  const writer = createNumberWriter(count * 5 + 256);
  const level = isConstant(levels) ? oneLevel : 0;
  const stream = isConstant(streams) ? oneStream : 0;
  const lengths = newlines === count ? 0 : withLengths;
  writer.byte(version);
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
  for (const value of values) if (value !== first) return false;
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

/** The index frame, read. */
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
  if (reader.byte() !== version) throw new RangeError("a block of an unknown form");
  const flags = reader.byte();
  const count = reader.unsigned();
  const textBytes = reader.unsigned();
  // an entry takes two bytes at least
  if (count > bytes.length) throw new RangeError("more entries than bytes");
  const times = readDeltas(count, reader.signed);
  const seqs = readDeltas(count, reader.signed);
  const positions = new Float64Array(count);
  let offset = 0;
  for (let from = 0; from < count;) {
    const to = from + reader.unsigned();
    if (to <= from || to > count) throw new RangeError("positions don't add up");
    offset += reader.signed();
    for (; from < to; from++) positions[from] = (seqs[from] as number) + offset;
  }
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

function readDeltas(count: number, read: () => number): Float64Array {
  const values = new Float64Array(count);
  let last = 0;
  for (let i = 0; i < count; i++) values[i] = last += read();
  return values;
}
