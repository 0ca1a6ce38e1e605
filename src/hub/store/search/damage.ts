/** A damaged block costs what is in it, and not the answer: it is passed over, and counted. */
import { Fault } from "#src/protocol/fault.ts";
import type { Columns, Piece, Snapshot } from "../blocks/reader-port.ts";

/**
 * What `read` makes of a piece, without holding on to its columns; null: it is damaged. `near`: it may be asked for again
 * soon.
 */
export function readSound<T>(snapshot: Snapshot, piece: Piece, near: boolean, read: (columns: Columns) => T): T | null {
  try {
    using columns = snapshot.open(piece, near);
    return read(columns);
  } catch (error) {
    if (error instanceof Fault && error.code === "failed") return null;
    throw error;
  }
}
