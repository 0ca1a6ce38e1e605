/** Rows of the table of logs as columns, as the hub's matcher reads them. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { openLines } from "../../blocks/columns.ts";
import type { Lines as Columned, Odd } from "../../blocks/lines.ts";
import type { Columns, Piece } from "../../blocks/reader-port.ts";
import { storedEntry } from "../../blocks/stored-entry.ts";
import { type Lines, keep, linesBetween, union, without } from "../../search/lines.ts";
import { createSieve } from "../../search/select.ts";
import type { Column, NativeBlock } from "../native-read.ts";
import { asksFor } from "./asks-for.ts";

/** What is asked of the table for whole entries; `sure` is asked besides where only some rows need the matcher. */
export const rowColumns = "server, source, at, seq, position, level, stream, message, fields, odd";

export type Rows = {
  readonly lines: Columned;
  readonly serverId: (index: number) => string;
  readonly entry: (index: number) => StoredEntry;
  /** what the row takes, roughly, in bytes */
  readonly size: (index: number) => number;
  /** null: nothing was asked for */
  readonly sure: Uint8Array | null;
};

/** What an entry takes beside its texts. */
const bytesOfEntry = 400;

/** Rows of an answer to a question for `rowColumns`. */
export function readRows({ rows: count, columns }: NativeBlock): Rows {
  const texts = kindOf(columns, "message", "texts");
  const fields = textsOf(columns, "fields");
  const odd = new Map<number, Odd>();
  for (const [index, text] of textsOf(columns, "odd")?.entries() ?? []) {
    if (text !== "") odd.set(index, JSON.parse(text) as Odd);
  }
  const servers = kindOf(columns, "server", "names");
  const sources = kindOf(columns, "source", "names");
  const lines: Columned = {
    count,
    times: kindOf(columns, "at", "numbers").values,
    seqs: kindOf(columns, "seq", "numbers").values,
    positions: kindOf(columns, "position", "numbers").values,
    levels: kindOf(columns, "level", "bytes").values,
    streams: kindOf(columns, "stream", "bytes").values,
    text: texts.text,
    offsets: texts.offsets,
    fields,
    sources: sources.names,
    sourceIndex: sources.names.length === 1 ? null : Uint16Array.from(sources.indexes),
    odd,
  };
  const serverId = (index: number): string => servers.names[servers.indexes[index] ?? 0] ?? "";
  const sure = columns.get("sure");
  return {
    lines,
    serverId,
    entry: (index) => storedEntry(lines, index, serverId(index), lines.positions[index] ?? 0),
    size(index) {
      const message = (lines.offsets[index + 1] ?? 0) - (lines.offsets[index] ?? 0);
      return bytesOfEntry + message + (fields?.[index]?.length ?? 0);
    },
    sure: sure?.kind === "bytes" ? sure.values : null,
  };
}

function kindOf<Kind extends Column["kind"]>(
  columns: NativeBlock["columns"],
  name: string,
  kind: Kind,
): Extract<Column, { readonly kind: Kind }> {
  const column = columns.get(name);
  if (column?.kind !== kind) throw new Error(`the answer has no column ${name} of ${kind}`);
  return column as Extract<Column, { readonly kind: Kind }>;
}

/** null: all are empty. */
function textsOf(columns: NativeBlock["columns"], name: string): readonly string[] | null {
  const { text, offsets } = kindOf(columns, name, "texts");
  const count = offsets.length - 1;
  if (text.length === count) return null;
  return Array.from({ length: count }, (_, i) => text.toString("utf8", offsets[i], (offsets[i + 1] ?? 1) - 1));
}

/** Rows that are selected, as the matcher's columns. */
export type Selected = { readonly columns: Columns; readonly lines: Lines };

/**
 * Finds the rows that are selected by anything but their time, their server, and the scope: those are said in SQL.
 * `byServer`: each with a server of its own.
 */
export function createRowSieve(selection: LogSelection, byServer = false): (rows: Rows) => readonly Selected[] {
  const sieve = createSieve(selection);
  const apart = byServer || asksFor(selection.query, "server");
  return (rows) => {
    const { count } = rows.lines;
    const all = linesBetween(0, count);
    const groups = apart ? Map.groupBy(all, rows.serverId) : new Map([["", all]]);
    return [...groups].map(([serverId, group]) => {
      const lines = apart ? Uint32Array.from(group) : all;
      const columns = columnsOf(rows.lines, serverId);
      const { sure } = rows;
      if (sure === null) return { columns, lines: sieve(columns, lines) };
      const known = keep(lines, (line) => sure[line] === 1);
      return { columns, lines: union(known, sieve(columns, without(lines, known))) };
    });
  };
}

/** The same by time, equal times in the order of arrival, and each as an entry of its own server. */
export function inOrder({ columns, lines }: Selected, { entry }: Rows): Selected {
  const { times, positions } = columns;
  const sorted = lines.toSorted(
    (a, b) => (times[a] ?? 0) - (times[b] ?? 0) || (positions[a] ?? 0) - (positions[b] ?? 0),
  );
  // the columns are read lazily: they stay behind their getters
  return { columns: Object.create(columns, { entry: { value: entry } }) as Columns, lines: sorted };
}

/** The same columns as those of one server's. */
function columnsOf(lines: Columned, serverId: string): Columns {
  const piece: Piece = {
    kind: "hot",
    id: 0,
    serverId,
    source: null,
    lines: lines.count,
    firstMs: -Infinity,
    lastMs: Infinity,
    firstPosition: 0,
    lastPosition: Infinity,
    levels: -1,
    streams: -1,
    rawBytes: lines.text.length,
  };
  return openLines(piece, lines);
}
