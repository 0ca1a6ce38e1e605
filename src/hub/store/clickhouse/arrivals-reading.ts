/** Stored entries in the order of their arrival, read from ClickHouse. */
import type { Arrived, LogColumns, Odd } from "#src/protocol/log-columns.ts";
import { sliceColumns } from "#src/protocol/columns/stretch.ts";
import type { Ask, Clickhouse } from "./client.ts";
import { isEntry, logsTable } from "./logs-tables.ts";
import type { Column, NativeBlock } from "./native-read.ts";
import { type Sql, and, isOneOf, yes } from "./search/sql.ts";

/** Entries that are read at once; as many positions as that are looked through, and more when few of them are left. */
const entriesAtOnce = 20_000;
const mostPositions = 5_000_000;
/** Without a word for so long, the connection is dead: whoever follows would wait for ever. Milliseconds. */
const stallMs = 15_000;

const wanted = "server, source, at, seq, position, level, stream, message, fields, odd";

/**
 * Entries after a position and up to another; those of one sender that follow each other come together. `servers`: only
 * theirs; null: all.
 */
export async function* readArrivals(
  client: Pick<Clickhouse, "blocks" | "rows">,
  position: number,
  upTo: number,
  signal?: AbortSignal,
  servers: ReadonlySet<string> | null = null,
): AsyncGenerator<Arrived, void> {
  const ask = { stallMs, ...(signal === undefined ? {} : { signal }) };
  const among = and(isEntry, servers === null ? yes : isOneOf("server", servers));
  let span = entriesAtOnce;
  for (let after = position; after < upTo;) {
    const end = Math.min(after + span, upTo);
    let rows = 0;
    let last = after;
    const blocks = client.blocks(
      `SELECT ${wanted} FROM ${logsTable} WHERE position > {after: UInt64} AND position <= {end: UInt64} AND ${among}
       ORDER BY position LIMIT ${entriesAtOnce}`,
      { ...ask, parameters: { after, end } },
    );
    for await (const block of blocks) {
      rows += block.rows;
      for (const arrived of stretchesIn(block)) {
        last = arrived.firstPosition + arrived.columns.count - 1;
        yield arrived;
      }
    }
    after = rows === entriesAtOnce ? last : end;
    if (rows > entriesAtOnce / 4) span = entriesAtOnce;
    else if (rows > 0) span = Math.min(span * 2, mostPositions);
    else if (end < upTo) after = (await firstAfter(client, end, upTo, among, ask)) - 1;
  }
}

/** The first position after one; beyond `upTo`: there is none. */
async function firstAfter(
  client: Pick<Clickhouse, "rows">,
  after: number,
  upTo: number,
  among: Sql,
  ask: Ask,
): Promise<number> {
  const [row] = await client.rows<{ first: number; rows: number }>(
    `SELECT min(position) AS first, count() AS rows FROM ${logsTable}
     WHERE position > {after: UInt64} AND position <= {upTo: UInt64} AND ${among}`,
    { ...ask, parameters: { after, upTo } },
  );
  return row === undefined || row.rows === 0 ? upTo + 1 : row.first;
}

/** Stretches of one sender with positions that follow each other. */
function* stretchesIn({ rows, columns }: NativeBlock): Generator<Arrived> {
  const servers = namesOf(columns.get("server"));
  const positions = numbersOf(columns.get("position"));
  const all = columnsOf(rows, columns);
  for (let from = 0; from < rows;) {
    const server = servers.indexes[from];
    const firstPosition = positions[from] as number;
    let to = from + 1;
    while (to < rows && servers.indexes[to] === server && positions[to] === firstPosition + to - from) to++;
    const serverId = servers.names[server ?? 0] ?? "";
    yield { serverId, firstPosition, columns: sliceColumns(all, from, to) };
    from = to;
  }
}

/** Columns of a block as the hub has them elsewhere. */
export function columnsOf(rows: number, columns: ReadonlyMap<string, Column>): LogColumns {
  const { text, offsets } = textsOf(columns.get("message"));
  const { names, indexes } = namesOf(columns.get("source"));
  return {
    count: rows,
    times: numbersOf(columns.get("at")),
    seqs: numbersOf(columns.get("seq")),
    levels: bytesOf(columns.get("level")),
    streams: bytesOf(columns.get("stream")),
    text,
    offsets,
    fields: fieldsOf(rows, columns.get("fields")),
    sources: names,
    sourceIndex: Uint16Array.from(indexes),
    odd: oddOf(rows, columns.get("odd")),
  };
}

function fieldsOf(rows: number, column: Column | undefined): readonly string[] | null {
  const { text, offsets } = textsOf(column);
  // nothing but newlines: no entry has any
  if (text.length === rows) return null;
  return Array.from({ length: rows }, (_, i) => text.toString("utf8", offsets[i], (offsets[i + 1] ?? 1) - 1));
}

function oddOf(rows: number, column: Column | undefined): ReadonlyMap<number, Odd> {
  const odd = new Map<number, Odd>();
  const { text, offsets } = textsOf(column);
  if (text.length === rows) return odd;
  for (let i = 0; i < rows; i++) {
    const own = text.toString("utf8", offsets[i], (offsets[i + 1] ?? 1) - 1);
    if (own !== "") odd.set(i, JSON.parse(own) as Odd);
  }
  return odd;
}

const none = new Uint8Array(0);

function numbersOf(column: Column | undefined): Float64Array {
  return column?.kind === "numbers" ? column.values : new Float64Array(0);
}

function bytesOf(column: Column | undefined): Uint8Array {
  return column?.kind === "bytes" ? column.values : none;
}

function textsOf(column: Column | undefined) {
  return column?.kind === "texts" ? column : { text: Buffer.alloc(0), offsets: new Uint32Array(1) };
}

function namesOf(column: Column | undefined) {
  return column?.kind === "names" ? column : { names: [], indexes: none };
}
