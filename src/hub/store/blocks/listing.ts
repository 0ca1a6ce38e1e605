/** Which pieces a search has to look at, by their figures alone. */
import type { Database } from "bun:sqlite";

import { streamRank } from "#src/protocol/columns/ranks.ts";
import { levelsFrom } from "../chunk.ts";
import { type BlockRow } from "./block-rows.ts";
import { type HotRow, hotColumns } from "./hot-rows.ts";
import { hotPieceOf, pieceOf } from "./pieces.ts";
import type { Piece, PieceLimits } from "./reader-port.ts";

type Order = "newest" | "oldest";
type Value = string | number;
type Named = Omit<BlockRow, "counts"> & { readonly server: string; readonly source_name: string | null };

/** Rows that are read at once. */
const pageSize = 256;
/** Scopes up to this size are part of the query; of a larger one most pieces are in it, and each is looked up. */
const queriedServers = 64;

export const blockFigures =
  "blocks.id, blocks.origin, blocks.source, blocks.lines, blocks.first_ms, blocks.last_ms, blocks.first_position, blocks.last_position, blocks.levels, blocks.streams, blocks.raw_bytes, blocks.bytes, blocks.small, blocks.pressed, blocks.body_crc, blocks.crc, origins.name AS server, sources.name AS source_name";
export const blockNames = "JOIN origins ON origins.id = blocks.origin LEFT JOIN sources ON sources.id = blocks.source";

/** Blocks and hot pieces in one order: newest by their ends, falling; oldest by their beginnings, rising. */
export function* listPieces(database: Database, limits: PieceLimits, order: Order): Generator<Piece> {
  const servers = wantedServers(limits);
  const wanted = (serverId: string) => servers === null || servers.has(serverId);
  const blocks = pages(order, blockQuery(database, limits, servers, order), (row) => {
    const named = row as Named;
    return pieceOf(named, named.server, named.source_name);
  });
  const hot = pages(order, hotQuery(database, limits, servers, order), (row) => hotPieceOf(row as HotRow));
  let [block, delivery] = [blocks.next(), hot.next()];
  while (block.done !== true || delivery.done !== true) {
    const first =
      delivery.done === true || (block.done !== true && isBefore(block.value, delivery.value, order))
        ? block
        : delivery;
    if (first.done !== true && wanted(first.value.serverId)) yield first.value;
    if (first === block) block = blocks.next();
    else delivery = hot.next();
  }
}

function isBefore(a: Piece, b: Piece, order: Order): boolean {
  return order === "newest" ? a.lastMs >= b.lastMs : a.firstMs <= b.firstMs;
}

/** null: all. */
function wantedServers({ scope, servers }: PieceLimits): ReadonlySet<string> | null {
  if (servers === null) return scope;
  return new Set(scope === null ? servers : servers.filter((id) => scope.has(id)));
}

type Query = {
  readonly text: (after: string) => string;
  readonly values: readonly Value[];
  readonly database: Database;
};

/** All pieces of a query, read a page at a time; null: there are none. */
function* pages(order: Order, query: Query | null, read: (row: unknown) => Piece): Generator<Piece> {
  if (query === null) return;
  const { text, values, database } = query;
  const statement = database.query<unknown, Value[]>(text(order === "newest" ? "< (?, ?)" : "> (?, ?)"));
  const edge = order === "newest" ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  let place: readonly [number, number] = [edge, edge];
  for (;;) {
    const found = statement.all(...values, ...place).map(read);
    yield* found;
    const last = found.at(-1);
    if (last === undefined || found.length < pageSize) return;
    place = [order === "newest" ? last.lastMs : last.firstMs, last.id];
  }
}

function blockQuery(
  database: Database,
  limits: PieceLimits,
  servers: ReadonlySet<string> | null,
  order: Order,
): Query | null {
  const where = ["blocks.first_ms < ?", "blocks.last_ms >= ?", "(blocks.levels & ?) <> 0", "(blocks.streams & ?) <> 0"];
  const values: Value[] = figures(limits);
  const streamBits = limits.streams?.reduce((bits, stream) => bits | (1 << (streamRank.get(stream) ?? 0)), 0) ?? -1;
  values.push(streamBits);
  let table = "blocks";
  let key = order === "newest" ? "(blocks.last_ms, blocks.id)" : "(blocks.first_ms, blocks.id)";
  let sorted = order === "newest" ? "blocks.last_ms DESC, blocks.id DESC" : "blocks.first_ms, blocks.id";
  if (limits.sources !== null) {
    const ids = idsOf(database, "sources", limits.sources);
    if (ids.length === 0) return null;
    if (ids.length === 1) {
      table = "block_sources AS s CROSS JOIN blocks ON blocks.id = s.block";
      where.push("s.source = ?");
      if (order === "newest") [key, sorted] = ["(s.last_ms, s.block)", "s.last_ms DESC, s.block DESC"];
    } else where.push(`blocks.id IN (SELECT block FROM block_sources WHERE source IN (${marks(ids)}))`);
    values.push(...ids);
  }
  if (servers !== null && servers.size <= queriedServers) {
    const ids = idsOf(database, "origins", [...servers]);
    if (ids.length === 0) return null;
    // of several an index would not give the order
    where.push(ids.length === 1 ? "blocks.origin = ?" : `+blocks.origin IN (${marks(ids)})`);
    values.push(...ids);
  }
  const text = (after: string) =>
    `SELECT ${blockFigures} FROM ${table} ${blockNames} WHERE ${where.join(" AND ")} AND ${key} ${after} ORDER BY ${sorted} LIMIT ${pageSize}`;
  return { text, values, database };
}

function hotQuery(
  database: Database,
  limits: PieceLimits,
  servers: ReadonlySet<string> | null,
  order: Order,
): Query | null {
  const where = ["first_ms < ?", "last_ms >= ?", "(levels & ?) <> 0"];
  const values: Value[] = figures(limits);
  if (limits.sources !== null) {
    const ids = idsOf(database, "sources", limits.sources);
    if (ids.length === 0) return null;
    where.push(`id IN (SELECT chunk FROM chunk_sources WHERE source IN (${marks(ids)}))`);
    values.push(...ids);
  }
  if (servers !== null && servers.size <= queriedServers) {
    where.push(`server IN (${marks([...servers])})`);
    values.push(...servers);
  }
  const [key, sorted] =
    order === "newest" ? ["(last_ms, id)", "last_ms DESC, id DESC"] : ["(first_ms, id)", "first_ms, id"];
  const text = (after: string) =>
    `SELECT ${hotColumns} FROM chunks WHERE ${where.join(" AND ")} AND ${key} ${after} ORDER BY ${sorted} LIMIT ${pageSize}`;
  return { text, values, database };
}

/** Values for `first_ms < ? AND last_ms >= ? AND levels & ?`. */
function figures({ fromMs, toMs, level }: PieceLimits): Value[] {
  return [toMs ?? Number.MAX_SAFE_INTEGER, fromMs ?? Number.MIN_SAFE_INTEGER, level === null ? -1 : levelsFrom(level)];
}

function idsOf(database: Database, table: "origins" | "sources", names: readonly string[]): number[] {
  const find = database.query<{ id: number }, [string]>(`SELECT id FROM ${table} WHERE name = ?`);
  return names.flatMap((name) => find.get(name)?.id ?? []);
}

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}
