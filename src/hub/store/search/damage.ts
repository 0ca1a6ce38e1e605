/** A damaged block costs what is in it, and not the answer: it is passed over, and counted. */
import { Fault } from "#src/protocol/fault.ts";
import type { Columns, Piece, Snapshot } from "../blocks/reader-port.ts";

/** null: it is damaged. */
export function openSound(snapshot: Snapshot, piece: Piece): Columns | null {
  try {
    return snapshot.open(piece);
  } catch (error) {
    if (error instanceof Fault && error.code === "failed") return null;
    throw error;
  }
}
