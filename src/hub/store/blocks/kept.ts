/**
 * Pieces that were opened and may soon be asked for again, while somebody types a word or a page asks for the newest
 * entries: the ones used last, within a bound. What a piece holds never changes, and its id is never given twice.
 */
import type { Columns, Piece } from "./reader-port.ts";

/** Bytes: what lies as it came until it becomes blocks (8 MiB of messages, generation.ts), and a dozen blocks. */
const mostBytes = 24 * 1024 * 1024;
/** What an entry takes beside its message, in bytes: the numeric columns. */
const bytesOfEntry = 40;

export type Kept = {
  get(piece: Piece): Columns | undefined;
  put(columns: Columns): void;
  clear(): void;
};

export function createKept(most = mostBytes): Kept {
  const kept = new Map<string, Columns>();
  let bytes = 0;

  function drop(key: string): void {
    const old = kept.get(key);
    if (old === undefined) return;
    kept.delete(key);
    bytes -= sizeOf(old.piece);
  }

  return {
    get(piece) {
      const key = keyOf(piece);
      const found = kept.get(key);
      if (found === undefined) return undefined;
      // last in the map, so that it goes last
      kept.delete(key);
      kept.set(key, found);
      return found;
    },
    put(columns) {
      const key = keyOf(columns.piece);
      drop(key);
      kept.set(key, columns);
      bytes += sizeOf(columns.piece);
      for (const oldest of kept.keys()) {
        if (bytes <= most) break;
        drop(oldest);
      }
    },
    clear() {
      kept.clear();
      bytes = 0;
    },
  };
}

const keyOf = ({ kind, id }: Piece): string => `${kind} ${id}`;
const sizeOf = ({ rawBytes, lines }: Piece): number => rawBytes + lines * bytesOfEntry;
