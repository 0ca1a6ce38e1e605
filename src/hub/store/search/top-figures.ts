/** Values that a piece's figures say how often it holds them, so that it need not be opened. */
import { levels } from "#src/protocol/log.ts";
import { columnOf } from "#src/protocol/query-match.ts";
import type { Piece, Snapshot } from "../blocks/reader-port.ts";

/** Counts what is selected by the figures of a piece. False: they don't say it. */
export type Figures = (
  piece: Piece,
  mask: number,
  snapshot: Snapshot,
  add: (value: string, count: number) => void,
) => boolean;

export function figuresOf(path: string): Figures | null {
  switch (columnOf(path)) {
    case "server":
      return byOrigin((piece) => piece.serverId);
    case "source":
      return byOrigin((piece) => piece.source);
    case "level":
      return (piece, mask, snapshot, add) => {
        const counts = levelCounts(piece, snapshot);
        if (counts === null) return false;
        for (const [rank, count] of counts.entries()) {
          if (count > 0 && (mask & (1 << rank)) !== 0) add(levels[rank] ?? "", count);
        }
        return true;
      };
    default:
      return null;
  }
}

function byOrigin(nameOf: (piece: Piece) => string | null): Figures {
  return (piece, mask, snapshot, add) => {
    const name = nameOf(piece);
    if (name === null) return false;
    // all of it, as a rule
    if ((piece.levels & ~mask) === 0) {
      add(name, piece.lines);
      return true;
    }
    const counts = levelCounts(piece, snapshot);
    if (counts === null) return false;
    const count = counts.reduce((sum, own, rank) => ((mask & (1 << rank)) === 0 ? sum : sum + own), 0);
    if (count > 0) add(name, count);
    return true;
  };
}

/** Entries of each level; null: it takes opening to know. */
function levelCounts(piece: Piece, snapshot: Snapshot): Float64Array | null {
  const found = snapshot.counts(piece);
  if (found === null) return null;
  const sums = new Float64Array(levels.length);
  found.counts.forEach((count, i) => {
    const rank = i % levels.length;
    sums[rank] = (sums[rank] ?? 0) + count;
  });
  return sums;
}
