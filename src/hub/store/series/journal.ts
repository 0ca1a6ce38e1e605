/**
 * The journal: samples of all origins in the order in which they came, a row for every two seconds. What is in blocks is
 * cut off at its beginning. After a kill the lanes are made out of it again.
 *
 * A record is the number of a segment, then either the length of a sample's bytes plus one and those bytes, or, where the
 * segment begins, 0, the origin's number, and its shape: 0 and the subjects as JSON, or the how manieth of the row it is.
 */
import { z } from "#src/protocol/schema.ts";
import { ByteReader, ByteWriter, BytesFault } from "./bytes.ts";
import type { Lane, Lanes } from "./lanes.ts";
import type { Subject, Template } from "#src/protocol/series.ts";
import type { Segment } from "./segment.ts";
import { type Shape, createShape } from "./shape.ts";

/** Samples that wait for a disk that is full; beyond it they are kept in memory only. */
const maxWaitingBytes = 16 * 1024 * 1024;

const shapeSchema = z.object({
  templates: z.array(
    z.object({
      name: z.string(),
      metrics: z.array(
        z.object({
          name: z.string(),
          counter: z.boolean(),
          scale: z.object({ unit: z.number(), bits: z.number() }),
        }),
      ),
    }),
  ),
  /** which of the templates, and the name */
  subjects: z.array(z.tuple([z.number(), z.string()])),
});

function writeShape(subjects: readonly Subject[]): string {
  const templates = [...new Set(subjects.map(({ template }) => template))];
  const text: z.infer<typeof shapeSchema> = {
    templates: templates.map(({ name, metrics }) => ({ name, metrics: metrics.map((metric) => ({ ...metric })) })),
    subjects: subjects.map(({ template, name }) => [templates.indexOf(template), name]),
  };
  return JSON.stringify(text);
}

/** Reads shapes; equal ones of many origins are one in memory. */
function createShapeReader() {
  const templates = new Map<string, Template>();
  const shapes = new Map<string, Shape>();
  return (text: string): Shape => {
    const known = shapes.get(text);
    if (known !== undefined) return known;
    const { templates: given, subjects } = z.core.parse(shapeSchema, JSON.parse(text));
    const own = given.map((template) => {
      const key = JSON.stringify(template);
      const one = templates.get(key) ?? template;
      templates.set(key, one);
      return one;
    });
    const made = createShape(
      subjects.flatMap(([index, name]): Subject[] => {
        const template = own[index];
        return template === undefined ? [] : [{ template, name }];
      }),
    );
    shapes.set(text, made);
    return made;
  };
}

export class Journal {
  readonly #out = new ByteWriter(64 * 1024);
  /** the row that is gathered */
  nextId = 1;
  #nextSegment = 1;
  /** those that stand in the row already, from 1 */
  #shapes = new Map<Shape, number>();

  /** @returns the number of the new segment */
  begin(origin: number, shape: Shape): number {
    const number = this.#nextSegment++;
    this.#out.varint(number);
    this.#out.varint(0);
    this.#out.varint(origin);
    const known = this.#shapes.get(shape) ?? 0;
    this.#out.varint(known);
    if (known === 0) {
      this.#shapes.set(shape, this.#shapes.size + 1);
      this.#out.text(writeShape(shape.subjects));
    }
    return number;
  }

  add(segment: number, sample: Uint8Array): void {
    this.#out.varint(segment);
    this.#out.varint(sample.length + 1);
    this.#out.raw(sample);
  }

  /** Goes on behind what was replayed. */
  goOn({ lastId, lastSegment }: Replayed): void {
    this.nextId = lastId + 1;
    this.#nextSegment = lastSegment + 1;
  }

  get waiting(): number {
    return this.#out.length;
  }

  /** What is gathered, as a row. */
  row(): Uint8Array {
    return Bun.zstdCompressSync(this.#out.view(), { level: 1 });
  }

  /** The row is on disk: the next one begins. */
  written(): void {
    this.#clear();
    this.nextId++;
  }

  /** The row could not be written. @returns whether it was let go, because more would be too much: then no segment can go on */
  failed(): boolean {
    if (this.#out.length < maxWaitingBytes) return false;
    this.#clear();
    return true;
  }

  #clear(): void {
    this.#out.clear();
    this.#shapes.clear();
  }
}

export type Replayed = {
  readonly lastId: number;
  readonly lastSegment: number;
  /** rows that could not be read */
  readonly damaged: number;
};

/**
 * Makes the lanes out of the journal's rows. After a row that is damaged, no segment of before goes on. `isKnown` says
 * whether an origin is still there.
 */
export function replay(
  rows: Iterable<{ readonly id: number; readonly body: Uint8Array }>,
  lanes: Lanes,
  nowMs: number,
  isKnown: (origin: number) => boolean,
): Replayed {
  const shapeOf = createShapeReader();
  let [lastId, lastSegment, damaged] = [0, 0, 0];
  // those that have begun in the journal: the samples of others are in blocks already
  let segments = new Map<number, { readonly lane: Lane; readonly segment: Segment }>();
  for (const { id, body } of rows) {
    lastId = id;
    try {
      const from = new ByteReader(Bun.zstdDecompressSync(body));
      const shapes: Shape[] = [];
      while (!from.done) {
        const number = from.varint();
        lastSegment = Math.max(lastSegment, number);
        const length = from.varint();
        if (length === 0) {
          const origin = from.varint();
          const which = from.varint();
          if (which === 0) shapes.push(shapeOf(from.text()));
          const shape = which === 0 ? shapes.at(-1) : shapes[which - 1];
          if (shape === undefined) throw new BytesFault("a segment has no shape");
          if (!isKnown(origin)) continue;
          const lane = lanes.open(origin, id, nowMs);
          segments.set(number, { lane, segment: lanes.begin(lane, shape, number) });
        } else {
          const sample = from.raw(length - 1);
          const known = segments.get(number);
          known?.segment.replay(sample);
          if (known !== undefined) lanes.grown(known.lane);
        }
      }
    } catch {
      // counted, and said by the caller; what was read of it before stays
      damaged++;
      segments = new Map();
    }
  }
  return { lastId, lastSegment, damaged };
}
