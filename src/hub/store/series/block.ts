/**
 * Series of one origin over one stretch, a column after the other, as they lie in the database: what neighbours share is
 * written once, numbers as distances, all of it in zstd with a checksum before it. Times that many series have in common,
 * which is nearly all, stand at the head as axes.
 */
import type { Scale } from "#src/protocol/series.ts";
import { ByteReader, ByteWriter, BytesFault, unzigzag, zigzag } from "./bytes.ts";
import type { Column, Rolled } from "./column.ts";
import { indexBelow, indexOf, valueAt } from "./scale.ts";

const version = 1;

/** How hard zstd tries: for what is soon packed again, and for what stays. */
export type Effort = "soon repacked" | "stays";
const levels: Readonly<Record<Effort, number>> = { "soon repacked": 1, stays: 3 };

/** Numbers of counters; the rest is gauges. */
const counterFlag = 1;

type Axis = { readonly times: readonly number[]; readonly count: readonly number[] | null };

/** Gathers equal axes. */
function createAxes() {
  const known = new Map<string, number>();
  const bodies = new ByteWriter(1024);
  return {
    add({ times, count }: Axis): number {
      const out = new ByteWriter(times.length + 64);
      out.varint(times.length);
      let step = 0;
      for (let i = 0; i < times.length; i++) {
        const distance = (times[i] ?? 0) - (times[i - 1] ?? 0);
        // regular beats have a distance of distances of 0
        out.varint(i === 0 ? distance : zigzag(distance - step));
        step = i === 0 ? 0 : distance;
      }
      let before = 0;
      for (const number of count ?? []) {
        out.varint(zigzag(number - before));
        before = number;
      }
      const body = out.view();
      const name = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
      const found = known.get(name);
      if (found !== undefined) return found;
      known.set(name, known.size);
      bodies.raw(body);
      return known.size - 1;
    },
    count: () => known.size,
    bodies,
  };
}

function readAxis(from: ByteReader, rolled: boolean): Axis {
  const length = from.varint();
  const times: number[] = [];
  let time = 0;
  let step = 0;
  for (let i = 0; i < length; i++) {
    if (i === 0) time = from.varint();
    else time += step += unzigzag(from.varint());
    times.push(time);
  }
  if (!rolled) return { times, count: null };
  const count: number[] = [];
  for (let i = 0, before = 0; i < length; i++) count.push((before += unzigzag(from.varint())));
  return { times, count };
}

function writeGauge(out: ByteWriter, values: readonly number[], scale: Scale): void {
  let before = 0;
  for (const value of values) {
    const index = indexOf(value, scale);
    out.varint(zigzag(index - before));
    before = index;
  }
}

function readGauge(from: ByteReader, count: number, scale: Scale): number[] {
  const values: number[] = [];
  for (let i = 0, index = 0; i < count; i++) values.push(valueAt((index += unzigzag(from.varint())), scale));
  return values;
}

/** A counter by its steps; see segment.ts. */
function writeCounter(out: ByteWriter, values: readonly number[], scale: Scale): void {
  let level = values[0] ?? 0;
  let before = 0;
  out.double(level);
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0;
    const began = value < level;
    const step = indexBelow(began ? value : value - level, scale);
    const index = began ? -1 - step : step;
    level = (began ? 0 : level) + valueAt(step, scale);
    out.varint(zigzag(index - before));
    before = index;
  }
}

function readCounter(from: ByteReader, count: number, scale: Scale): number[] {
  let level = from.double();
  const values = [level];
  for (let i = 1, index = 0; i < count; i++) {
    index += unzigzag(from.varint());
    level = index < 0 ? valueAt(-1 - index, scale) : level + valueAt(index, scale);
    values.push(level);
  }
  return values;
}

/** Means, and how far above and below them the extremes are, which is never less than nothing. */
function writeExtremes(out: ByteWriter, { values, min, max, scale }: Rolled): void {
  const means = values.map((value) => indexOf(value, scale));
  let before = 0;
  for (const index of means) {
    out.varint(zigzag(index - before));
    before = index;
  }
  for (const [i, index] of means.entries()) out.varint(Math.max(0, indexOf(max[i] ?? 0, scale) - index));
  for (const [i, index] of means.entries()) out.varint(Math.max(0, index - indexOf(min[i] ?? 0, scale)));
}

function readExtremes(from: ByteReader, count: number, scale: Scale): Pick<Rolled, "values" | "min" | "max"> {
  const means = new Int32Array(count);
  const [values, min, max]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0, index = 0; i < count; i++) {
    means[i] = index += unzigzag(from.varint());
    values.push(valueAt(index, scale));
  }
  for (const index of means) max.push(valueAt(index + from.varint(), scale));
  for (const index of means) min.push(valueAt(index - from.varint(), scale));
  return { values, min, max };
}

function writeHead(out: ByteWriter, key: string, flags: number, scale: Scale, axis: number): void {
  out.text(key);
  out.varint(flags);
  out.double(scale.unit);
  out.varint(scale.bits);
  out.varint(axis);
}

function seal(axes: ReturnType<typeof createAxes>, series: number, bodies: ByteWriter, effort: Effort): Uint8Array {
  const plain = new ByteWriter(axes.bodies.length + bodies.length + 16);
  plain.varint(version);
  plain.varint(axes.count());
  plain.raw(axes.bodies.view());
  plain.varint(series);
  plain.raw(bodies.view());
  const packed = Bun.zstdCompressSync(plain.view(), { level: levels[effort] });
  const sealed = new Uint8Array(4 + packed.length);
  new DataView(sealed.buffer).setUint32(0, Bun.hash.crc32(packed), true);
  sealed.set(packed, 4);
  return sealed;
}

function open(sealed: Uint8Array): ByteReader {
  if (sealed.length < 5) throw new BytesFault("it ends too early");
  const packed = sealed.subarray(4);
  const sum = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0, true);
  if (sum !== Bun.hash.crc32(packed)) throw new BytesFault("its checksum is wrong");
  const from = new ByteReader(Bun.zstdDecompressSync(packed));
  const found = from.varint();
  if (found !== version) throw new BytesFault(`it is of version ${found}, which this hub does not know`);
  return from;
}

export function writeColumns(columns: readonly Column[], effort: Effort): Uint8Array {
  const axes = createAxes();
  const bodies = new ByteWriter(16 * 1024);
  const body = new ByteWriter(4096);
  for (const { key, counter, scale, times, values } of columns) {
    body.clear();
    if (counter) writeCounter(body, values, scale);
    else writeGauge(body, values, scale);
    writeHead(bodies, key, counter ? counterFlag : 0, scale, axes.add({ times, count: null }));
    bodies.varint(body.length);
    bodies.raw(body.view());
  }
  return seal(axes, columns.length, bodies, effort);
}

export function writeRolled(rolled: readonly Rolled[], effort: Effort): Uint8Array {
  const axes = createAxes();
  const bodies = new ByteWriter(16 * 1024);
  const body = new ByteWriter(4096);
  for (const series of rolled) {
    body.clear();
    writeExtremes(body, series);
    writeHead(bodies, series.key, 0, series.scale, axes.add(series));
    bodies.varint(body.length);
    bodies.raw(body.view());
  }
  return seal(axes, rolled.length, bodies, effort);
}

type Head = {
  readonly key: string;
  readonly counter: boolean;
  readonly scale: Scale;
  readonly axis: Axis;
  readonly body: ByteReader;
};

function readHeads(sealed: Uint8Array, rolled: boolean, wants: (key: string) => boolean): Head[] {
  const from = open(sealed);
  const axes: Axis[] = [];
  for (let i = from.varint(); i > 0; i--) axes.push(readAxis(from, rolled));
  const heads: Head[] = [];
  for (let i = from.varint(); i > 0; i--) {
    const key = from.text();
    const counter = (from.varint() & counterFlag) !== 0;
    const scale = { unit: from.double(), bits: from.varint() };
    const axis = axes[from.varint()];
    const body = from.raw(from.varint());
    if (axis === undefined) throw new BytesFault("a series has no times");
    if (wants(key)) heads.push({ key, counter, scale, axis, body: new ByteReader(body) });
  }
  return heads;
}

const all = () => true;

/** Throws BytesFault when the block is damaged. */
export function readColumns(sealed: Uint8Array, wants: (key: string) => boolean = all): Column[] {
  return readHeads(sealed, false, wants).map(({ key, counter, scale, axis, body }) => ({
    key,
    counter,
    scale,
    times: [...axis.times],
    values: (counter ? readCounter : readGauge)(body, axis.times.length, scale),
  }));
}

/** Throws BytesFault when the block is damaged. */
export function readRolled(sealed: Uint8Array, wants: (key: string) => boolean = all): Rolled[] {
  return readHeads(sealed, true, wants).map(({ key, scale, axis, body }) => ({
    key,
    scale,
    ...readExtremes(body, axis.times.length, scale),
    times: [...axis.times],
    count: [...(axis.count ?? [])],
  }));
}
