/** Entries in the order of arrival, column by column, for who follows the store. */
import { type ColumnBuilder, createColumnBuilder } from "#src/protocol/columns/builder.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { linesOf } from "./columns.ts";
import type { Lines } from "./lines.ts";
import type { Piece, Snapshot } from "./reader-port.ts";

/** Positions that are read at once, and bytes of messages that may be inflated for them. */
const widest = 16_384;
const narrowest = 256;
const stretchBytes = 8 * 1024 * 1024;

/** Pieces with entries after `position`, up to where they hold no more than may be inflated at once. */
export function stretchAfter(
  snapshot: Snapshot,
  position: number,
  upTo: number,
): { readonly to: number; readonly pieces: readonly Piece[] } {
  let to = Math.min(upTo, position + widest);
  let pieces = snapshot.between(position, to);
  while (to - position > narrowest && pieces.reduce((sum, piece) => sum + piece.rawBytes, 0) > stretchBytes) {
    to = position + Math.max(narrowest, Math.floor((to - position) / 4));
    pieces = snapshot.between(position, to);
  }
  return { to, pieces };
}

/**
 * Entries after a position and up to another, as they arrived: each time a run of neighbours of one sender. What can't be
 * read is told to `onFailure` and left out.
 */
export async function* readArrived(
  open: () => Snapshot,
  position: number,
  upTo: number,
  onFailure: (error: unknown) => void,
  breathe: () => Promise<void>,
): AsyncGenerator<Arrived> {
  for (let from = position; from < upTo;) {
    const { to, runs } = readStretch(open, from, upTo, onFailure);
    for (const arrived of runs) {
      yield arrived;
      await breathe();
    }
    from = to;
  }
}

function readStretch(open: () => Snapshot, from: number, upTo: number, onFailure: (error: unknown) => void) {
  using snapshot = open();
  const { to, pieces } = stretchAfter(snapshot, from, upTo);
  const opened = pieces.flatMap((piece) => {
    try {
      return [{ serverId: piece.serverId, lines: linesOf(snapshot.open(piece)) }];
    } catch (error) {
      onFailure(error);
      return [];
    }
  });
  return { to, runs: inOrder(opened, from, to) };
}

type Opened = { readonly serverId: string; readonly lines: Lines };

/** Entries of pieces by position, as runs. */
function inOrder(opened: readonly Opened[], after: number, upTo: number): Arrived[] {
  // which piece and entry a position is: most pieces have most of their positions here
  const piece = new Int32Array(upTo - after).fill(-1);
  const index = new Int32Array(upTo - after);
  opened.forEach(({ lines: { count, positions } }, number) => {
    for (let i = 0; i < count; i++) {
      const at = (positions[i] as number) - after - 1;
      if (at < 0 || at >= piece.length) continue;
      piece[at] = number;
      index[at] = i;
    }
  });
  const runs: Arrived[] = [];
  let run: { readonly serverId: string; readonly firstPosition: number; readonly builder: ColumnBuilder } | undefined;
  const endRun = () => {
    if (run !== undefined)
      runs.push({ serverId: run.serverId, firstPosition: run.firstPosition, columns: run.builder.columns() });
    run = undefined;
  };
  for (let at = 0; at < piece.length;) {
    const number = piece[at] as number;
    const columns = opened[number];
    if (columns === undefined) {
      // pruned, or damaged
      endRun();
      at++;
      continue;
    }
    // neighbours that are neighbours in their piece as well
    const first = index[at] as number;
    let length = 1;
    while (piece[at + length] === number && index[at + length] === first + length) length++;
    if (run?.serverId !== columns.serverId) endRun();
    run ??= { serverId: columns.serverId, firstPosition: after + 1 + at, builder: createColumnBuilder() };
    run.builder.addRange(columns.lines, first, first + length);
    at += length;
  }
  endRun();
  return runs;
}
