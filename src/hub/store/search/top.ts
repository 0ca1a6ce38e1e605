/** The most frequent values of a field. */
import { levels, streams } from "#src/protocol/log.ts";
import { columnOf, fieldPath, valuesAt } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { BlockReader, Columns } from "../blocks/reader-port.ts";
import type { TopValue } from "../log-port.ts";
import { readSound } from "./damage.ts";
import { levelsWithin, pieceTestOf } from "./rule.ts";
import { figuresOf } from "./top-figures.ts";
import type { Lines } from "./lines.ts";
import { createSelector } from "./select.ts";

/** Values that are told apart; of more, those that come later are not counted, and the answer says so. */
export const maxValues = 100_000;
/** A longer value counts with all that begin like it, in characters. */
export const longestValue = 1000;

export type Top = { readonly values: readonly TopValue[]; readonly partial: boolean };

/** Steps without a value are there for a pause; what comes last is the answer. */
export function* countValues(
  reader: BlockReader,
  selection: LogSelection,
  { path, limit, budgetMs }: { readonly path: string; readonly limit: number; readonly budgetMs: number | null },
  now: () => number = () => performance.now(),
): Generator<undefined, Top, void> {
  const endsAt = budgetMs === null ? Infinity : now() + budgetMs;
  const mayMatch = pieceTestOf(selection.query);
  const select = createSelector(selection, "newest");
  const counts = new Map<string, number>();
  const tally = tallyOf(path);
  const figures = figuresOf(path);
  let partial = false;

  function add(value: string, count: number): void {
    const known = counts.get(value);
    if (known === undefined && counts.size >= maxValues) partial = true;
    else counts.set(value, (known ?? 0) + count);
  }

  using snapshot = reader.snapshot();
  for (const piece of snapshot.pieces(selection, "newest")) {
    if (now() > endsAt) {
      partial = true;
      break;
    }
    const mask = figures === null ? null : levelsWithin(selection, piece);
    if (mask !== null && figures?.(piece, mask, snapshot, add) === true) continue;
    if (!mayMatch(piece, snapshot)) continue;
    const counted = readSound(snapshot, piece, piece.kind === "hot", (columns) => {
      tally(columns, select(columns, null), add);
      return true;
    });
    if (counted === null) partial = true;
    yield undefined;
  }
  const sorted = [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : a > b ? 1 : 0));
  return { values: sorted.slice(0, limit).map(([value, count]) => ({ value, count })), partial };
}

export type Tally = (columns: Columns, lines: Lines, add: (value: string, count: number) => void) => void;

export function tallyOf(path: string): Tally {
  switch (columnOf(path)) {
    case "level":
      return byRank((columns) => columns.levels, levels);
    case "stream":
      return byRank((columns) => columns.streams, streams);
    case "server":
      return (columns, lines, add) => lines.length > 0 && add(columns.piece.serverId, lines.length);
    case "source":
      return (columns, lines, add) => {
        if (lines.length === 0) return;
        const { sources, sourceIndex } = columns;
        if (sourceIndex === null) return add(sources[0] ?? "", lines.length);
        const counts = new Float64Array(sources.length);
        for (const line of lines) counts[sourceIndex[line] ?? 0] = (counts[sourceIndex[line] ?? 0] ?? 0) + 1;
        for (const [index, source] of sources.entries()) if (counts[index] !== 0) add(source, counts[index] ?? 0);
      };
    case "message":
      return (columns, lines, add) => {
        for (const line of lines) add(columns.message(line).slice(0, longestValue), 1);
      };
    case "container":
      return byFields((fields) => valuesAt(fields, "container").concat(valuesAt(fields, "containerId")).slice(0, 1));
    case null: {
      const below = fieldPath(path);
      return byFields((fields) => valuesAt(fields, below));
    }
  }
}

function byRank(ranksOf: (columns: Columns) => Uint8Array, names: readonly string[]): Tally {
  return (columns, lines, add) => {
    const ranks = ranksOf(columns);
    const counts = new Float64Array(names.length);
    for (const line of lines) {
      const rank = ranks[line] ?? 0;
      counts[rank] = (counts[rank] ?? 0) + 1;
    }
    for (const [rank, count] of counts.entries()) if (count > 0) add(names[rank] ?? "", count);
  };
}

function byFields(valuesOf: (fields: Readonly<Record<string, unknown>>) => readonly unknown[]): Tally {
  return (columns, lines, add) => {
    for (const line of lines) {
      const text = columns.fieldsText(line);
      if (text === "") continue;
      // an entry counts once for a value, however often its list holds it
      const values = new Set(valuesOf(JSON.parse(text) as Readonly<Record<string, unknown>>).map(textOf));
      for (const value of values) add(value, 1);
    }
  };
}

function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.slice(0, longestValue);
}
