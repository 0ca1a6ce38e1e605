/** Where stored entries lie, by position and by time, without opening any piece. */
import type { Snapshot } from "./reader-port.ts";

export type Extent = {
  /** entries of the time asked for, and later ones, all have a greater position */
  readonly after: number;
  /** the time of the oldest stored entry of each server and source */
  readonly oldestMs: ReadonlyMap<string, number>;
};

const everything = { scope: null, servers: null, sources: null, streams: null, level: null, fromMs: null, toMs: null };

/** @param head the position of the newest entry */
export function extentSince(snapshot: Snapshot, fromMs: number, head: number): Extent {
  const oldestMs = new Map<string, number>();
  let first = head + 1;
  for (const piece of snapshot.pieces(everything, "oldest")) {
    if (!oldestMs.has(piece.serverId)) oldestMs.set(piece.serverId, piece.firstMs);
    if (piece.lastMs >= fromMs) first = Math.min(first, piece.firstPosition);
  }
  return { after: first - 1, oldestMs };
}
