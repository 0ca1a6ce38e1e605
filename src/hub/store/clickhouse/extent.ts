/** Where stored entries lie, by position and by time. */
import type { Clickhouse } from "./client.ts";
import { isEntry, logsTable } from "./logs-tables.ts";

export type Extent = {
  /** entries of the time asked for, and later ones, all have a greater position */
  readonly after: number;
  /** the time of the oldest entry of each server */
  readonly oldestMs: ReadonlyMap<string, number>;
};

/** Reading one column of everything takes this long at most. */
const timeoutMs = 300_000;

/** @param head the position of the newest entry */
export async function readExtent(client: Pick<Clickhouse, "rows">, fromMs: number, head: number): Promise<Extent> {
  const [first] = await client.rows<{ first: number; rows: number }>(
    `SELECT min(position) AS first, count() AS rows FROM ${logsTable} WHERE at >= {from: Int64} AND ${isEntry}`,
    { parameters: { from: Math.max(fromMs, Number.MIN_SAFE_INTEGER) }, timeoutMs },
  );
  const oldest = await client.rows<{ server: string; oldest: number }>(
    `SELECT server, min(at) AS oldest FROM ${logsTable} WHERE ${isEntry} GROUP BY server`,
    { timeoutMs },
  );
  return {
    after: first === undefined || first.rows === 0 ? head : Math.min(first.first - 1, head),
    oldestMs: new Map(oldest.map((row) => [row.server, row.oldest])),
  };
}

/** The highest position in ClickHouse, where it is above one; else that one. */
export async function lastStored(client: Pick<Clickhouse, "rows">, above: number): Promise<number> {
  const [row] = await client.rows<{ last: number }>(
    `SELECT max(position) AS last FROM ${logsTable} WHERE position > {above: UInt64}`,
    { parameters: { above } },
  );
  return Math.max(above, row?.last ?? 0);
}
