/** What stands around an entry. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { EntrySearch, Order } from "../../log-port.ts";
import { writeCursor } from "../../search/place.ts";
import { isEntry } from "../logs-tables.ts";
import { type FindWorld, find } from "./find.ts";
import { readRows, rowColumns } from "./rows.ts";

/** Entries of the same server and source, oldest first, the entry itself among them; empty: it is gone. */
export async function findContext(
  world: FindWorld,
  id: string,
  before: number,
  after: number,
  signal?: AbortSignal,
): Promise<readonly StoredEntry[]> {
  const found = await entryAt(world, id, signal);
  if (found === null) return [];
  const { entry, cursor } = found;

  async function neighbours(order: Order, limit: number): Promise<StoredEntry[]> {
    const entries: StoredEntry[] = [];
    if (limit === 0) return entries;
    const search: EntrySearch = {
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
    };
    for await (const part of find(world, search, signal)) if (part.kind === "hits") entries.push(...part.entries);
    return entries;
  }

  const [older, newer] = await Promise.all([neighbours("newest", before), neighbours("oldest", after)]);
  return [...older.toReversed(), entry, ...newer];
}

async function entryAt({ reading }: FindWorld, id: string, signal: AbortSignal | undefined) {
  if (!/^\d{1,15}$/.test(id)) return null;
  const sql = `SELECT ${rowColumns} FROM ${reading.table} WHERE position = ${Number(id)} AND ${isEntry} LIMIT 1`;
  for await (const block of reading.blocks(sql, { timeoutMs: null, signal })) {
    const { entry, lines } = readRows(block);
    return { entry: entry(0), cursor: writeCursor({ ms: lines.times[0] ?? 0, position: Number(id) }) };
  }
  return null;
}
