/** Entries in the order of arrival, for live tails: the latest from memory, older ones from their pieces. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import type { Delivered } from "./generation.ts";
import type { Columns, Piece, Snapshot } from "./reader-port.ts";

/** Entries of the latest deliveries that are kept at hand, and the text they may take. */
const mostKept = 8192;
const mostKeptBytes = 4 * 1024 * 1024;
/** Positions that are looked at at once, and bytes of messages that may be inflated for them. */
const widest = 16_384;
const narrowest = 256;
const stretchBytes = 8 * 1024 * 1024;

export type After = { readonly entries: readonly StoredEntry[]; readonly position: number };

export type Arrivals = {
  add(delivered: Delivered): void;
  /** Up to `limit` entries after `position`, and the position up to which everything was looked at. */
  after(position: number, limit: number, head: number): After;
  forget(): void;
};

/** `snapshot` opens one on the store as it is now; what can't be read is told to `onFailure` and left out. */
export function createArrivals(snapshot: () => Snapshot, onFailure: (error: unknown) => void): Arrivals {
  const kept: (Delivered & { readonly bytes: number })[] = [];
  let count = 0;
  let bytes = 0;
  // of older entries, the stretch that was read last: several tails, or one in small steps, want the same
  let stretch: { readonly from: number; readonly to: number; readonly entries: readonly StoredEntry[] } | undefined;

  function readStretch(position: number, head: number) {
    using view = snapshot();
    const edge = Math.min(head, kept[0] === undefined ? head : kept[0].chunk - 1);
    let to = Math.min(edge, position + widest);
    let pieces: readonly Piece[] = view.between(position, to);
    while (to - position > narrowest && pieces.reduce((sum, piece) => sum + piece.rawBytes, 0) > stretchBytes) {
      to = position + Math.max(narrowest, Math.floor((to - position) / 4));
      pieces = view.between(position, to);
    }
    const found: { readonly position: number; readonly entry: StoredEntry }[] = [];
    for (const piece of pieces) {
      const columns = open(view, piece);
      if (columns === undefined) continue;
      for (let i = 0; i < columns.count; i++) {
        const own = columns.positions[i] as number;
        if (own > position && own <= to) found.push({ position: own, entry: columns.entry(i) });
      }
    }
    return { from: position, to, entries: found.sort((a, b) => a.position - b.position).map(({ entry }) => entry) };
  }

  function open(view: Snapshot, piece: Piece): Columns | undefined {
    try {
      return view.open(piece);
    } catch (error) {
      onFailure(error);
      return undefined;
    }
  }

  return {
    add(delivered) {
      const own = { ...delivered, bytes: textBytes(delivered) };
      kept.push(own);
      count += own.entries.length;
      bytes += own.bytes;
      while (kept.length > 1 && (count > mostKept || bytes > mostKeptBytes)) {
        const [oldest] = kept.splice(0, 1);
        if (oldest === undefined) break;
        count -= oldest.entries.length;
        bytes -= oldest.bytes;
      }
    },
    after(position, limit, head) {
      if (position >= head) return { entries: [], position: Math.max(position, head) };
      const oldest = kept[0]?.chunk ?? Infinity;
      if (position + 1 < oldest) {
        if (stretch === undefined || position < stretch.from || position >= stretch.to)
          stretch = readStretch(position, head);
        const entries: StoredEntry[] = [];
        for (const entry of stretch.entries) {
          if (Number(entry.id) <= position) continue;
          entries.push(entry);
          if (entries.length >= limit) return { entries, position: Number(entry.id) };
        }
        return { entries, position: stretch.to };
      }
      const entries: StoredEntry[] = [];
      for (const delivered of kept) {
        const { chunk, serverId } = delivered;
        for (let i = Math.max(0, position + 1 - chunk); i < delivered.entries.length; i++) {
          entries.push(stored(delivered.entries[i] as LogEntry, serverId, chunk + i));
          if (entries.length >= limit) return { entries, position: chunk + i };
        }
      }
      return { entries, position: head };
    },
    forget() {
      kept.length = 0;
      count = bytes = 0;
      stretch = undefined;
    },
  };
}

function textBytes({ entries }: Delivered): number {
  let sum = 0;
  for (const entry of entries) sum += entry.message.length;
  return sum;
}

function stored(entry: LogEntry, serverId: string, position: number): StoredEntry {
  const { seq, at, source, stream, level, message, fields } = entry;
  const base = { id: String(position), serverId, seq, at, source, stream, level, message };
  return fields === undefined ? base : { ...base, fields };
}
