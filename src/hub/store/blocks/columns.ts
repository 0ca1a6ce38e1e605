/** A piece opened: of a block's body, or of a delivery that still lies as it came. */
import { timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { levels as levelNames, streams as streamNames } from "#src/protocol/log.ts";
import { inflate, offsetsIn, readFields, readOdd, splitFrames } from "./body.ts";
import { type Index, readIndex } from "./body-index.ts";
import type { Lines, Odd } from "./lines.ts";
import type { Columns, Piece } from "./reader-port.ts";

/** What both kinds have, however they come by it. */
type Parts = {
  readonly index: () => Omit<Index, "count" | "textBytes" | "lengths">;
  readonly text: () => Buffer;
  readonly offsets: () => Uint32Array;
  /** null: no entry has fields */
  readonly fields: () => readonly string[] | null;
  readonly odd: () => ReadonlyMap<number, Odd>;
  /** Gives back what was inflated, before the collector would. */
  readonly release: () => void;
};

/**
 * The columns of a block's body. A frame is inflated when it is asked for, and what is damaged throws then, as `toFault`
 * makes it.
 */
export function openBody(
  piece: Piece,
  body: Uint8Array,
  toFault: (error: unknown) => unknown = (error) => error,
): Columns {
  const sound = <T>(read: () => T) => once(() => attempt(read, toFault));
  const [index, text, fields, odd] = attempt(() => splitFrames(body), toFault);
  const columns = sound(() => {
    const read = readIndex(index);
    if (read.count !== piece.lines) throw new RangeError("its number of entries is another");
    return read;
  });
  let inflated: Buffer | undefined;
  const messages = sound(() => (inflated = inflate(text)));
  return createColumns(piece, {
    index: columns,
    text: messages,
    offsets: sound(() => {
      const { lengths, count } = columns();
      return offsetsIn(messages(), count, lengths);
    }),
    fields: sound(() => readFields(fields)),
    odd: sound(() => readOdd(odd)),
    release() {
      if (inflated !== undefined) release(inflated);
    },
  });
}

function attempt<T>(read: () => T, toFault: (error: unknown) => unknown): T {
  try {
    return read();
  } catch (error) {
    throw toFault(error);
  }
}

/**
 * The next megabyte then takes the place of this one, which is in the processor's cache and has its pages: a third less
 * time than with memory that comes fresh from the kernel each time.
 */
function release({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** The columns of sorted lines. */
export function openLines(piece: Piece, lines: Lines): Columns {
  return createColumns(piece, {
    index: () => lines,
    text: () => lines.text,
    offsets: () => lines.offsets,
    fields: () => lines.fields,
    odd: () => lines.odd,
    // whoever made them has them
    release() {},
  });
}

/** The same, which outlive whoever disposes of them. */
export function lastingColumns(columns: Columns): Columns {
  // the columns are read lazily: they stay behind their getters
  return Object.create(columns, { [Symbol.dispose]: { value: () => undefined } }) as Columns;
}

/** Entries of an opened piece on their way into another block. */
export function linesOf(columns: Columns): Lines {
  const fields = Array.from({ length: columns.count }, (_, i) => columns.fieldsText(i));
  const { count, times, positions, seqs, levels, streams, text, offsets, sources, sourceIndex, odd } = columns;
  const own = fields.some((one) => one !== "") ? fields : null;
  return { count, times, positions, seqs, levels, streams, text, offsets, fields: own, sources, sourceIndex, odd };
}

function createColumns(piece: Piece, parts: Parts): Columns {
  const { index: own, text, offsets, fields, odd, release: giveBack } = parts;

  function message(index: number): string {
    const at = offsets();
    return odd().get(index)?.message ?? text().toString("utf8", at[index], (at[index + 1] ?? 1) - 1);
  }

  const fieldsText = (index: number): string => fields()?.[index] ?? "";

  return {
    piece,
    count: piece.lines,
    get times() {
      return own().times;
    },
    get levels() {
      return own().levels;
    },
    get streams() {
      return own().streams;
    },
    get positions() {
      return own().positions;
    },
    get seqs() {
      return own().seqs;
    },
    get sources() {
      return own().sources;
    },
    get sourceIndex() {
      return own().sourceIndex;
    },
    get text() {
      return text();
    },
    get offsets() {
      return offsets();
    },
    get odd() {
      return odd();
    },
    message,
    fieldsText,
    entry(index): StoredEntry {
      const { positions, seqs, times, sources, sourceIndex, streams, levels } = own();
      const fieldsJson = fieldsText(index);
      return {
        id: String(positions[index]),
        serverId: piece.serverId,
        seq: seqs[index] ?? 0,
        at: odd().get(index)?.at ?? timestamp(times[index] ?? 0),
        source: sources[sourceIndex?.[index] ?? 0] ?? "",
        stream: streamNames[streams[index] ?? 0] ?? "stdout",
        level: levelNames[levels[index] ?? 1] ?? "info",
        message: message(index),
        ...(fieldsJson === "" ? {} : { fields: JSON.parse(fieldsJson) as Record<string, unknown> }),
      };
    },
    [Symbol.dispose]: giveBack,
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
