/** A reader of pieces that are made of plain arrays, to search without a store. */
import type { StoredEntry } from "#src/protocol/api.ts";
import { levels, streams } from "#src/protocol/log.ts";
import type { BlockReader, Columns, Piece, PieceLimits } from "#src/hub/store/blocks/reader-port.ts";

/** One entry and when it was. Positions are its id. */
export type Line = { readonly entry: StoredEntry; readonly ms: number };

export type PieceOfLines = { readonly kind: Piece["kind"]; readonly lines: readonly Line[] };

/** Each piece holds entries of one server. */
export function createMemoryReader(pieces: readonly PieceOfLines[]): BlockReader {
  const all = pieces.filter(({ lines }) => lines.length > 0).map((piece, id) => columnsOf(piece, id + 1));
  const wanted = (limits: PieceLimits) => all.filter(({ piece }) => fits(piece, limits));
  return {
    snapshot: () => ({
      [Symbol.dispose]() {},
      pieces: (limits, order) =>
        wanted(limits)
          .map(({ piece }) => piece)
          .toSorted((a, b) => (order === "newest" ? b.lastMs - a.lastMs : a.firstMs - b.firstMs)),
      mayHold: () => true,
      counts: (piece) => (piece.kind === "hot" ? null : countsOf(all[piece.id - 1])),
      open: ({ id }) => found(all[id - 1]),
      find(position) {
        for (const columns of all) {
          const index = columns.positions.indexOf(position);
          if (index >= 0) return { columns, index };
        }
        return null;
      },
      between: (after, upTo) =>
        all.map(({ piece }) => piece).filter((piece) => piece.lastPosition > after && piece.firstPosition <= upTo),
    }),
    close() {},
  };
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is no such piece");
  return value;
}

function fits(piece: Piece, { scope, servers, sources, level, streams: wanted, fromMs, toMs }: PieceLimits): boolean {
  if (scope !== null && !scope.has(piece.serverId)) return false;
  if (servers !== null && !servers.includes(piece.serverId)) return false;
  if (sources !== null && piece.source !== null && !sources.includes(piece.source)) return false;
  if (level !== null && piece.levels >> levels.indexOf(level) === 0) return false;
  if (wanted !== null && !wanted.some((stream) => (piece.streams & (1 << streams.indexOf(stream))) !== 0)) return false;
  return (toMs === null || piece.firstMs < toMs) && (fromMs === null || piece.lastMs >= fromMs);
}

function columnsOf({ kind, lines }: PieceOfLines, id: number): Columns {
  const sorted = lines.toSorted((a, b) => a.ms - b.ms || Number(a.entry.id) - Number(b.entry.id));
  const entries = sorted.map(({ entry }) => entry);
  const texts = entries.map(({ message }) => Buffer.from(`${message}\n`));
  const offsets = new Uint32Array(entries.length + 1);
  for (const [i, text] of texts.entries()) offsets[i + 1] = (offsets[i] ?? 0) + text.length;
  const text = Buffer.concat(texts);
  const sources = [...new Set(entries.map(({ source }) => source))];
  const positions = Float64Array.from(entries, (entry) => Number(entry.id));
  const times = Float64Array.from(sorted, ({ ms }) => ms);
  const bits = (ranks: readonly number[]) => ranks.reduce((mask, rank) => mask | (1 << rank), 0);
  const piece: Piece = {
    kind,
    id,
    serverId: entries[0]?.serverId ?? "",
    source: sources.length === 1 ? (sources[0] ?? null) : null,
    lines: entries.length,
    firstMs: times[0] ?? 0,
    lastMs: times.at(-1) ?? 0,
    firstPosition: Math.min(...positions),
    lastPosition: Math.max(...positions),
    levels: bits(entries.map(({ level }) => levels.indexOf(level))),
    streams: bits(entries.map(({ stream }) => streams.indexOf(stream))),
    rawBytes: text.length,
  };
  return {
    piece,
    count: entries.length,
    times,
    levels: Uint8Array.from(entries, ({ level }) => levels.indexOf(level)),
    streams: Uint8Array.from(entries, ({ stream }) => streams.indexOf(stream)),
    positions,
    seqs: Float64Array.from(entries, ({ seq }) => seq),
    sources,
    sourceIndex: sources.length === 1 ? null : Uint16Array.from(entries, ({ source }) => sources.indexOf(source)),
    text,
    offsets,
    odd: new Map(),
    message: (line) => text.toString("utf8", offsets[line], (offsets[line + 1] ?? 1) - 1),
    fieldsText: (line) => (entries[line]?.fields === undefined ? "" : JSON.stringify(entries[line].fields)),
    entry: (line) => found(entries[line]),
    [Symbol.dispose]() {},
  };
}

function countsOf(columns: Columns | undefined) {
  const { times, levels: ranks, count } = found(columns);
  const byMinute = new Map<number, number[]>();
  for (let line = 0; line < count; line++) {
    const minute = Math.floor((times[line] ?? 0) / 60_000) * 60_000;
    const counts = byMinute.get(minute) ?? levels.map(() => 0);
    const rank = ranks[line] ?? 0;
    counts[rank] = (counts[rank] ?? 0) + 1;
    byMinute.set(minute, counts);
  }
  return {
    stepMs: 60_000,
    steps: Float64Array.from(byMinute.keys()),
    counts: Uint32Array.from([...byMinute.values()].flat()),
  };
}
