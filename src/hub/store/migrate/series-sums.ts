/** Checksums of metrics on either side, by origin and tier. */
import type { Tier } from "#src/protocol/series.ts";
import { type Column, mergeColumns } from "../series/column.ts";
import { type SeriesCopy, keptSince } from "./series.ts";
import { type Sums, addSum } from "./sums.ts";

const timeoutMs = 24 * 3600_000;

const float = new Float64Array(1);
const word = new BigUint64Array(float.buffer);

function bitsOf(value: number): string {
  float[0] = value + 0;
  return String(word[0]);
}

/** What the source has, by origin and tier. */
export function sumSeries({ source, place, nowMs }: SeriesCopy): Sums {
  const sums: Sums = new Map();
  const open = new Map<string, Column[]>();
  for (const { origin, columns } of source.open()) open.set(origin, [...columns]);
  for (const origin of source.origins()) {
    const since = keptSince(place, 0, nowMs);
    for (const { key, times, values } of mergeAll(source.whole(origin, 0), open.get(origin) ?? [])) {
      times.forEach((time, i) => {
        if (time >= since) addSum(sums, nameOf(0, origin), 1, hashOf([origin, key, time, bitsOf(values[i] ?? 0)]));
      });
    }
    for (const tier of [300, 3600] as const) {
      const from = keptSince(place, tier, nowMs);
      for (const { key, times, values, min, max, count } of source.whole(origin, tier)) {
        times.forEach((time, i) => {
          if (time < from) return;
          const figures = [values[i], min[i], max[i]].map((value) => bitsOf(value ?? 0));
          addSum(sums, nameOf(tier, origin), 1, hashOf([origin, key, time, ...figures, count[i] ?? 0]));
        });
      }
    }
  }
  return sums;
}

function mergeAll(one: readonly Column[], other: readonly Column[]): Iterable<Column> {
  return other.length === 0 ? one : mergeColumns([one, other]).values();
}

const nameOf = (tier: number, origin: string): string => `metrics ${tier === 0 ? "raw" : `${tier} s`} ${origin}`;
const hashOf = (parts: readonly (string | number)[]): bigint => Bun.hash.xxHash64(parts.join("\n"));

/** What ClickHouse has, read back. */
export async function sumStoredSeries({ client, place, nowMs }: SeriesCopy): Promise<Sums> {
  const bits = (value: string) => `toString(reinterpretAsUInt64(${value}))`;
  const line = (parts: readonly string[]) => `toString(sum(xxHash64(concat(${parts.join(", '\\n', ")}))))`;
  const time = "toString(toUnixTimestamp(at))";
  const since = (tier: Tier) => `at >= toDateTime(${keptSince(place, tier, nowMs)}, 'UTC')`;
  const samples =
    `SELECT 0 AS tier_read, toString(origin) AS origin_read, toFloat64(count()) AS rows, ${line(["origin", "key", time, bits("number")])} AS sum ` +
    `FROM (SELECT origin, key, at, max(value) AS number FROM metric_samples WHERE ${since(0)} GROUP BY origin, key, at) GROUP BY origin_read`;
  const figures = ["mean", "min", "max"].map(bits);
  const rollups = ([300, 3600] as const).map(
    (tier) =>
      // a column's name for something else would stand for that in the condition, too
      `SELECT ${tier} AS tier_read, toString(origin) AS origin_read, toFloat64(count()) AS rows, ` +
      `${line(["origin", "key", time, ...figures, "toString(count)"])} AS sum ` +
      `FROM metric_rollups FINAL WHERE tier = ${tier} AND ${since(tier)} GROUP BY origin_read`,
  );
  const sums: Sums = new Map();
  for (const sql of [samples, ...rollups]) {
    const rows = await client.rows<{ tier_read: number; origin_read: string; rows: number; sum: string }>(sql, {
      timeoutMs,
    });
    for (const row of rows) addSum(sums, nameOf(row.tier_read, row.origin_read), row.rows, BigInt(row.sum));
  }
  return sums;
}
