/** Metrics as a migration reads them from ClickHouse. */
import type { Tier } from "#src/protocol/series.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { RowReader, readAnswer } from "../clickhouse/series-answer.ts";
import { type Column, type Rolled, mergeColumns, mergeRolled } from "../series/column.ts";

/** Whole tables are looked through. */
const timeoutMs = 600_000;

/**
 * ClickHouse has numbers without the scale that they were rounded to: written finer than any scale that there is, they come
 * out as the same number on it. A number may be off by a two-millionth.
 */
export const scale = { unit: 1e-6, bits: 20 };

/** The database's clock, in milliseconds since the epoch. */
export async function nowOf(client: Clickhouse): Promise<number> {
  const [row] = await client.rows<{ now: number }>("SELECT toUnixTimestamp64Milli(now64(3)) AS now");
  return row?.now ?? 0;
}

/** Servers and sources that have any. */
export async function originsOf(client: Clickhouse): Promise<readonly string[]> {
  const rows = await client.rows<{ name: string }>(
    "SELECT DISTINCT toString(origin) AS name FROM (SELECT origin FROM metric_samples UNION ALL SELECT origin FROM metric_rollups) ORDER BY name",
    { timeoutMs },
  );
  return rows.map(({ name }) => name);
}

/** Samples by origin, of rows that a condition lets through. */
export async function readColumnsOf(
  client: Clickhouse,
  where: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly Column[]>> {
  const sql =
    "SELECT origin, key, max(counter), groupArray(second), groupArray(value) FROM (SELECT origin, key, counter, " +
    `toUnixTimestamp(at) AS second, value FROM metric_samples WHERE ${where} ORDER BY origin, key, at) ` +
    "GROUP BY origin, key FORMAT RowBinary";
  const from = new RowReader(await readAnswer(client, sql, signal));
  const found = new Map<string, Column[]>();
  while (!from.done) {
    const [origin, key, counter] = [from.text(), from.text(), from.byte() === 1];
    gather(found, origin, { key, counter, scale, times: from.uint32s(), values: from.doubles() });
  }
  return new Map([...found].map(([origin, columns]) => [origin, [...mergeColumns([columns]).values()]]));
}

/** The same of averages. */
export async function readRolledOf(
  client: Clickhouse,
  tier: Tier,
  where: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly Rolled[]>> {
  const sql =
    "SELECT origin, key, groupArray(second), groupArray(mean), groupArray(min), groupArray(max), groupArray(count) FROM " +
    `(SELECT origin, key, toUnixTimestamp(at) AS second, mean, min, max, count FROM metric_rollups FINAL WHERE tier = ${tier} ` +
    `AND ${where} ORDER BY origin, key, at) GROUP BY origin, key FORMAT RowBinary`;
  const from = new RowReader(await readAnswer(client, sql, signal));
  const found = new Map<string, Rolled[]>();
  while (!from.done) {
    const [origin, key] = [from.text(), from.text()];
    const [times, values, min, max, count] = [
      from.uint32s(),
      from.doubles(),
      from.doubles(),
      from.doubles(),
      from.uint32s(),
    ];
    gather(found, origin, { key, scale, times, values, min, max, count });
  }
  return new Map([...found].map(([origin, series]) => [origin, [...mergeRolled([series]).values()]]));
}

function gather<T>(all: Map<string, T[]>, origin: string, one: T): void {
  const known = all.get(origin);
  if (known === undefined) all.set(origin, [one]);
  else known.push(one);
}

/** Hours that were touched since they were rolled up. */
export async function openHoursOf(
  client: Clickhouse,
): Promise<readonly { readonly name: string; readonly start: number }[]> {
  return await client.rows(
    "SELECT toString(origin) AS name, toUnixTimestamp(hour) AS start FROM metric_hours GROUP BY hour, origin HAVING max(touched) > max(rolled)",
    { timeoutMs },
  );
}
