/** A piece opened: of a block's body, or of a delivery that still lies as it came. */
import { timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { levels as levelNames, streams as streamNames } from "#src/protocol/log.ts";
import { readIndex, splitFrames } from "./body.ts";
import type { Lines, Odd } from "./lines.ts";
import type { Columns, Piece } from "./reader-port.ts";

/** What both kinds have, however they come by it. */
type Parts = {
  readonly times: Float64Array;
  readonly seqs: Float64Array;
  readonly positions: Float64Array;
  readonly levels: Uint8Array;
  readonly streams: Uint8Array;
  readonly sources: readonly string[];
  readonly sourceIndex: Uint16Array | null;
  readonly text: () => Buffer;
  readonly offsets: () => Uint32Array;
  /** null: no entry has fields */
  readonly fields: () => readonly string[] | null;
  readonly odd: () => ReadonlyMap<number, Odd>;
};

/** The columns of a block's body. Throws when it is damaged. */
export function openBody(piece: Piece, body: Uint8Array): Columns {
  const [index, text, fields, odd] = splitFrames(body) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const read = readIndex(index);
  const { lengths } = read;
  const messages = once(() => inflate(text));
  return createColumns(piece, {
    ...read,
    text: messages,
    offsets: once(() => (lengths === null ? offsetsByNewlines(messages(), read.count) : offsetsByLengths(lengths))),
    fields: () => (fields.length === 0 ? null : inflate(fields).toString().split("\n")),
    odd: () => new Map(odd.length === 0 ? [] : (JSON.parse(inflate(odd).toString()) as [number, Odd][])),
  });
}

function inflate(frame: Uint8Array): Buffer {
  return Bun.zstdDecompressSync(frame);
}

/** The columns of sorted lines. */
export function openLines(piece: Piece, lines: Lines): Columns {
  return createColumns(piece, {
    ...lines,
    text: () => lines.text,
    offsets: () => lines.offsets,
    fields: () => lines.fields,
    odd: () => lines.odd,
  });
}

/** Entries of an opened piece on their way into another block. */
export function linesOf(columns: Columns): Lines {
  const fields = Array.from({ length: columns.count }, (_, i) => columns.fieldsText(i));
  const { count, times, positions, seqs, levels, streams, text, offsets, sources, sourceIndex, odd } = columns;
  const own = fields.some((one) => one !== "") ? fields : null;
  return { count, times, positions, seqs, levels, streams, text, offsets, fields: own, sources, sourceIndex, odd };
}

function createColumns(piece: Piece, parts: Parts): Columns {
  const { times, positions, seqs, levels, streams, sources, sourceIndex, text, offsets } = parts;
  const count = times.length;
  const fields = once(parts.fields);
  const odd = once(parts.odd);

  function message(index: number): string {
    const at = offsets();
    return odd().get(index)?.message ?? text().toString("utf8", at[index], (at[index + 1] ?? 1) - 1);
  }

  const fieldsText = (index: number): string => fields()?.[index] ?? "";

  return {
    piece,
    count,
    times,
    levels,
    streams,
    positions,
    seqs,
    sources,
    sourceIndex,
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
      const own = fieldsText(index);
      return {
        id: String(positions[index]),
        serverId: piece.serverId,
        seq: seqs[index] ?? 0,
        at: odd().get(index)?.at ?? timestamp(times[index] ?? 0),
        source: sources[sourceIndex?.[index] ?? 0] ?? "",
        stream: streamNames[streams[index] ?? 0] ?? "stdout",
        level: levelNames[levels[index] ?? 1] ?? "info",
        message: message(index),
        ...(own === "" ? {} : { fields: JSON.parse(own) as Record<string, unknown> }),
      };
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function offsetsByLengths(lengths: Uint32Array): Uint32Array {
  const offsets = new Uint32Array(lengths.length + 1);
  let at = 0;
  for (let i = 0; i < lengths.length; i++) offsets[i + 1] = at += (lengths[i] as number) + 1;
  return offsets;
}

/** Throws RangeError when there are fewer lines than entries. */
function offsetsByNewlines(text: Buffer, count: number): Uint32Array {
  const offsets = new Uint32Array(count + 1);
  let at = 0;
  for (let i = 1; i <= count; i++) {
    const end = text.indexOf(10, at);
    if (end === -1) throw new RangeError("fewer messages than entries");
    offsets[i] = at = end + 1;
  }
  return offsets;
}
