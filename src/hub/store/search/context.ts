/** What stands around an entry. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { BlockReader } from "../blocks/reader-port.ts";
import type { Order } from "../log-port.ts";
import { find } from "./find.ts";
import { writeCursor } from "./place.ts";

/** Entries of the same server and source, oldest first, the entry itself among them; empty: it is gone. */
export function* findContext(
  reader: BlockReader,
  id: string,
  before: number,
  after: number,
): Generator<undefined, readonly StoredEntry[], void> {
  const found = entryAt(reader, id);
  if (found === null) return [];
  const { entry, cursor } = found;

  function* neighbours(order: Order, limit: number): Generator<undefined, StoredEntry[], void> {
    const entries: StoredEntry[] = [];
    if (limit === 0) return entries;
    const search = {
      scope: null,
      servers: [entry.serverId],
      sources: [entry.source],
      streams: null,
      level: null,
      fromMs: null,
      toMs: null,
      query: { kind: "all" },
      order,
      limit,
      cursor,
      budgetMs: null,
    } as const;
    for (const part of find(reader, search)) {
      if (part?.kind === "hits") entries.push(...part.entries);
      yield undefined;
    }
    return entries;
  }

  const older = yield* neighbours("newest", before);
  const newer = yield* neighbours("oldest", after);
  return [...older.toReversed(), entry, ...newer];
}

function entryAt(reader: BlockReader, id: string): { readonly entry: StoredEntry; readonly cursor: string } | null {
  const position = Number(id);
  if (!/^\d{1,15}$/.test(id)) return null;
  using snapshot = reader.snapshot();
  const found = snapshot.find(position);
  if (found === null) return null;
  const { columns, index } = found;
  return { entry: columns.entry(index), cursor: writeCursor({ ms: columns.times[index] ?? 0, position }) };
}
