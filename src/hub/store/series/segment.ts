/**
 * Samples as they come, packed a sample after the other: each number as its distance from the one before, so that most
 * take one byte. A segment holds samples of the same subjects in order of time; what comes late begins another one.
 */
import { ByteReader, ByteWriter, unzigzag, zigzag } from "./bytes.ts";
import type { Column } from "./column.ts";
import { type Metric, keyOf } from "#src/protocol/series.ts";
import { indexBelow, indexOf, valueAt } from "./scale.ts";
import type { Shape } from "./shape.ts";

// codes of a number in a sample; above them stands the distance of its index
const absent = 0;
const base = 1;
const firstDistance = 2;

/** Where each series of a segment stands. A counter is kept by its steps; what one rounds off, the next makes up for. */
type Track = {
  readonly shape: Shape;
  /** the last index of each */
  readonly index: Int32Array;
  /** what a reader takes each counter to stand at; NaN before its first number */
  readonly levels: Float64Array;
};

function createTrack(shape: Shape): Track {
  const levels = new Float64Array(shape.counters).fill(Number.NaN);
  return { shape, index: new Int32Array(shape.metrics.length), levels };
}

/** Writes number `i` of a sample. */
function put(out: ByteWriter, { shape, index, levels }: Track, i: number, metric: Metric, value: number): void {
  const { counter, scale } = metric;
  // what is no number, and what a counter can't be, counts as not there
  if (!Number.isFinite(value) || (counter && value < 0)) {
    out.varint(absent);
    return;
  }
  let next: number;
  if (counter) {
    const slot = shape.slots[i] ?? 0;
    const before = levels[slot] ?? 0;
    if (Number.isNaN(before)) {
      out.varint(base);
      out.double(value);
      levels[slot] = value;
      return;
    }
    // a level is never above its counter: a smaller number says that it began again, written below 0
    const began = value < before;
    const step = indexBelow(began ? value : value - before, scale);
    next = began ? -1 - step : step;
    levels[slot] = (began ? 0 : before) + valueAt(step, scale);
  } else next = indexOf(value, scale);
  out.varint(zigzag(next - (index[i] ?? 0)) + firstDistance);
  index[i] = next;
}

/** Reads number `i` of a sample; NaN: it is not there. */
function take(from: ByteReader, { shape, index, levels }: Track, i: number, { counter, scale }: Metric): number {
  const code = from.varint();
  if (code === absent) return Number.NaN;
  const slot = shape.slots[i] ?? 0;
  if (code === base) return (levels[slot] = from.double());
  const next = (index[i] = (index[i] ?? 0) + unzigzag(code - firstDistance));
  if (!counter) return valueAt(next, scale);
  return (levels[slot] = next < 0 ? valueAt(-1 - next, scale) : (levels[slot] ?? 0) + valueAt(next, scale));
}

/** What a segment and its lists take beside their numbers. */
const overheadBytes = 400;

/** A sample is written here first: a view into a segment's own bytes would double what they take. */
const scratch = new ByteWriter(4096);

export class Segment {
  readonly shape: Shape;
  /** by which the journal knows it */
  readonly number: number;
  readonly #track: Track;
  readonly #bytes = new ByteWriter(256);
  #count = 0;
  #firstS = 0;
  #lastS = 0;

  constructor(shape: Shape, number: number) {
    this.shape = shape;
    this.number = number;
    this.#track = createTrack(shape);
  }

  get count(): number {
    return this.#count;
  }

  get firstS(): number {
    return this.#firstS;
  }

  get lastS(): number {
    return this.#lastS;
  }

  /** Bytes of memory, roughly. */
  get memory(): number {
    const { index, levels } = this.#track;
    return this.#bytes.capacity + index.byteLength + levels.byteLength + overheadBytes;
  }

  /** Adds a sample that is later than all before. @returns its bytes, valid until the next one of any segment */
  append(atS: number, values: ArrayLike<number>): Uint8Array {
    scratch.clear();
    scratch.varint(atS - this.#lastS);
    const { metrics } = this.shape;
    for (let i = 0; i < metrics.length; i++) {
      const metric = metrics[i];
      if (metric !== undefined) put(scratch, this.#track, i, metric, values[i] ?? Number.NaN);
    }
    const sample = scratch.view();
    this.#bytes.raw(sample);
    this.#note(atS);
    return sample;
  }

  /** Adds a sample in the bytes that `append` gave. */
  replay(bytes: Uint8Array): void {
    const from = new ByteReader(bytes);
    const atS = this.#lastS + from.varint();
    const { metrics } = this.shape;
    for (let i = 0; i < metrics.length; i++) {
      const metric = metrics[i];
      if (metric !== undefined) take(from, this.#track, i, metric);
    }
    this.#bytes.raw(bytes);
    this.#note(atS);
  }

  #note(atS: number): void {
    if (this.#count++ === 0) this.#firstS = atS;
    this.#lastS = atS;
  }

  /** What it holds, a column a series that has a number at all. */
  columns(): Column[] {
    const track = createTrack(this.shape);
    const { metrics, subjects } = this.shape;
    const columns: Column[] = subjects.flatMap((subject) =>
      subject.template.metrics.map((metric) => ({ ...metric, key: keyOf(subject, metric), times: [], values: [] })),
    );
    const from = new ByteReader(this.#bytes.view());
    for (let atS = 0; !from.done;) {
      atS += from.varint();
      for (let i = 0; i < metrics.length; i++) {
        const metric = metrics[i];
        const column = columns[i];
        if (metric === undefined || column === undefined) continue;
        const value = take(from, track, i, metric);
        if (Number.isNaN(value)) continue;
        column.times.push(atS);
        column.values.push(value);
      }
    }
    return columns.filter(({ times }) => times.length > 0);
  }
}
