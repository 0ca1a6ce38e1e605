/**
 * Samples as rows of `metric_samples` (ClickHouse's RowBinary: origin, key, counter, at, value). Numbers are rounded to
 * the scale of their metric, in binary digits, so that most of a double's bytes are zero and cost nothing when packed;
 * those of counters stay exact, since their differences are what counts.
 */
import type { Scale, Subject } from "#src/protocol/series.ts";
import { keyOf } from "#src/protocol/series.ts";
import { type Shape, createShapes } from "../series/shape.ts";

/** The columns, in the order in which they are written. */
export const rowColumns = "origin, key, counter, at, value";

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** The number to the next step of its scale, with steps that are powers of two; no coarser than the scale itself. */
export function roundTo(value: number, { unit, bits }: Scale): number {
  const size = Math.abs(value);
  if (size === 0) return 0;
  // the finest step: the power of two that is not above the unit
  const step = size / unit < 2 << bits ? 2 ** exponentOf(unit) : 2 ** (exponentOf(size) - bits);
  const rounded = Math.round(value / step) * step;
  // the largest doubles can't be rounded up; + 0: there is one zero
  return Number.isFinite(rounded) ? rounded + 0 : value;
}

/** The exponent of a double above 0; IEEE 754, little end first as on every machine that this runs on. */
function exponentOf(value: number): number {
  float[0] = value;
  return (((words[1] ?? 0) >>> 20) & 0x7ff) - 1023;
}

const encoder = new TextEncoder();

/** Text as RowBinary has it: its length as a varint, then its bytes. */
function textBytes(text: string, more = 0): Uint8Array {
  const bytes = encoder.encode(text);
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest & 127) | 128);
  }
  const out = new Uint8Array(length.length + bytes.length + more);
  out.set(length);
  out.set(bytes, length.length);
  return out;
}

/** Seconds and a double behind what is the same for all rows of a series. */
const tailBytes = 4 + 8;

/** Rows that are gathered. */
export class SeriesRows {
  readonly #shapeOf = createShapes();
  /** of each metric of a shape its key and whether it is a counter, as they stand in a row */
  readonly #heads = new WeakMap<Shape, readonly Uint8Array[]>();
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #count = 0;

  get length(): number {
    return this.#length;
  }

  /** Rows in it. */
  get count(): number {
    return this.#count;
  }

  add(origin: string, atS: number, subjects: readonly Subject[], values: ArrayLike<number>): void {
    const shape = this.#shapeOf(subjects);
    const heads = this.#headsOf(shape);
    const name = textBytes(origin);
    const { metrics } = shape;
    for (let i = 0; i < metrics.length; i++) {
      const metric = metrics[i];
      const head = heads[i];
      const value = values[i] ?? Number.NaN;
      // what is no number, and what a counter can't be, counts as not there
      if (metric === undefined || head === undefined || !Number.isFinite(value)) continue;
      if (metric.counter && value < 0) continue;
      this.#room(name.length + head.length + tailBytes);
      this.#bytes.set(name, this.#length);
      this.#bytes.set(head, this.#length + name.length);
      this.#length += name.length + head.length;
      this.#view.setUint32(this.#length, atS, true);
      this.#view.setFloat64(this.#length + 4, metric.counter ? value + 0 : roundTo(value, metric.scale), true);
      this.#length += tailBytes;
      this.#count++;
    }
  }

  /** All of it, good until more is added. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    this.#count = 0;
  }

  #headsOf(shape: Shape): readonly Uint8Array[] {
    const known = this.#heads.get(shape);
    if (known !== undefined) return known;
    const heads = shape.subjects.flatMap((subject) =>
      subject.template.metrics.map((metric) => {
        const head = textBytes(keyOf(subject, metric), 1);
        head[head.length - 1] = metric.counter ? 1 : 0;
        return head;
      }),
    );
    this.#heads.set(shape, heads);
    return heads;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.#length + more, this.#bytes.length * 2));
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
