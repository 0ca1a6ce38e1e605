/**
 * Series out of ClickHouse. It gives numbers as they are stored; repeats, rates and stretches are made of them by the same
 * code as in the embedded store, so that the answers are the same. Averages come from the roll-ups, except for hours that
 * are not rolled up yet, or were touched since: these are made of samples, as long as there are any.
 */
import type { Series, SeriesQuery, SeriesRetention, Tier } from "#src/protocol/series.ts";
import { type Column, type Rolled, mergeRolled, pickRolled, settleColumn } from "../series/column.ts";
import { longestGapS, pointsOf, rollUp } from "../series/rollup.ts";
import { RowReader, readAnswer } from "./series-answer.ts";
import type { Clickhouse } from "./client.ts";
import { quoteList, quoteText, secondText } from "./series-text.ts";

const hourS = 3600;
/** Nothing here needs to be kept any finer: what is stored was rounded before. */
const scale = { unit: 1, bits: 20 };

export type ReadingWorld = {
  readonly client: Pick<Clickhouse, "address" | "read">;
  readonly retention: SeriesRetention;
  readonly now: () => number;
  /** see RollingPace */
  readonly freshS: number;
};

type Stretch = { readonly fromS: number; readonly toS: number };

/** @returns reads series of origins; those without any have no entry */
export function createSeriesReading({ client, retention, now, freshS }: ReadingWorld) {
  /** Numbers of stretches, and those before them that a rate needs. */
  async function columns(
    origins: readonly string[],
    stretches: readonly Stretch[],
    query: SeriesQuery,
  ): Promise<Map<string, Column[]>> {
    const times = stretches.map(
      ({ fromS, toS }) => `(at >= ${secondText(fromS - longestGapS)} AND at < ${secondText(toS)})`,
    );
    const sql =
      `SELECT origin, key, max(counter), groupArray(second), groupArray(value) FROM (` +
      `SELECT origin, key, counter, toUnixTimestamp(at) AS second, value FROM metric_samples ` +
      `WHERE (${times.join(" OR ")}) AND origin IN ${quoteList(origins)}${keysText(query)} ` +
      `ORDER BY origin, key, at) GROUP BY origin, key FORMAT RowBinary`;
    const from = new RowReader(await readAnswer(client, sql));
    const found = new Map<string, Column[]>();
    while (!from.done) {
      const [origin, key, counter] = [from.text(), from.text(), from.byte() === 1];
      if (query.wants !== undefined && !query.wants(key)) {
        from.skip(4);
        from.skip(8);
        continue;
      }
      const column: Column = { key, counter, scale, times: from.uint32s(), values: from.doubles() };
      // in order of time and without repeats, whatever order they came in
      gather(found, origin, settleColumn(column));
    }
    return found;
  }

  /** Hours that overlap the stretch and are not, or no longer, as the roll-ups have them. */
  async function openHours(origins: readonly string[], { fromS, toS }: SeriesQuery): Promise<number[]> {
    // of what is older, the samples are going
    const oldestS = now() / 1000 - retention.raw + longestGapS;
    const firstS = Math.max(hourOf(fromS), hourOf(oldestS) + hourS);
    if (firstS >= toS) return [];
    const sql =
      `SELECT DISTINCT toUnixTimestamp(hour) FROM (SELECT origin, hour, max(touched) AS t, max(rolled) AS r ` +
      `FROM metric_hours WHERE hour >= ${secondText(firstS)} AND hour < ${secondText(toS)} ` +
      `AND origin IN ${quoteList(origins)} GROUP BY origin, hour) ` +
      `WHERE t > r OR r > now64(3) - toIntervalSecond(${freshS}) FORMAT RowBinary`;
    const from = new RowReader(await readAnswer(client, sql));
    const hours: number[] = [];
    while (!from.done) hours.push(from.uint32());
    return hours.sort((a, b) => a - b);
  }

  async function rollups(
    origins: readonly string[],
    tier: Exclude<Tier, 0>,
    query: SeriesQuery,
  ): Promise<Map<string, Rolled[]>> {
    const { fromS, toS } = query;
    const sql =
      `SELECT origin, key, groupArray(second), groupArray(mean), groupArray(min), groupArray(max), groupArray(count) ` +
      `FROM (SELECT origin, key, toUnixTimestamp(at) AS second, mean, min, max, count FROM metric_rollups FINAL ` +
      `WHERE tier = ${tier} AND at >= ${secondText(fromS)} AND at < ${secondText(toS)} ` +
      `AND origin IN ${quoteList(origins)}${keysText(query)} ORDER BY origin, key, at) ` +
      `GROUP BY origin, key FORMAT RowBinary`;
    const from = new RowReader(await readAnswer(client, sql));
    const found = new Map<string, Rolled[]>();
    while (!from.done) {
      const [origin, key] = [from.text(), from.text()];
      if (query.wants !== undefined && !query.wants(key)) {
        for (const size of [4, 8, 8, 8, 4]) from.skip(size);
        continue;
      }
      const [times, values, min, max, count] = [
        from.uint32s(),
        from.doubles(),
        from.doubles(),
        from.doubles(),
        from.uint32s(),
      ];
      gather(found, origin, { key, scale, times, values, min, max, count });
    }
    return found;
  }

  async function samples(origins: readonly string[], query: SeriesQuery): Promise<Map<string, Rolled[]>> {
    const found = await columns(origins, [query], query);
    return new Map([...found].map(([origin, own]) => [origin, own.map(asRolled)]));
  }

  async function averages(
    origins: readonly string[],
    tier: Exclude<Tier, 0>,
    query: SeriesQuery,
  ): Promise<Map<string, Rolled[]>> {
    // hours first: what is rolled up while the rest is read is then made of samples, which is right too
    const open = neighbours(await openHours(origins, query));
    const [known, own] = await Promise.all([
      rollups(origins, tier, query),
      open.length === 0 ? new Map<string, Column[]>() : columns(origins, open, query),
    ]);
    const all = new Map<string, Rolled[]>();
    for (const origin of new Set([...known.keys(), ...own.keys()])) {
      const parts = [known.get(origin) ?? []];
      // the later part wins, so what is made of samples stands behind
      for (const column of own.get(origin) ?? []) {
        for (const { fromS, toS } of open) parts.push([rollUp(column, tier, fromS, toS)]);
      }
      all.set(origin, [...mergeRolled(parts).values()]);
    }
    return all;
  }

  return async function read(origins: readonly string[], query: SeriesQuery): Promise<Map<string, readonly Series[]>> {
    const { tier, fromS, toS } = query;
    if (origins.length === 0 || !(fromS < toS)) return new Map();
    const found = await (tier === 0 ? samples(origins, query) : averages(origins, tier, query));
    const all = new Map<string, readonly Series[]>();
    for (const [origin, rolled] of found) {
      const series = rolled
        .map((one) => cut(one, fromS, toS))
        .filter(({ times }) => times.length > 0)
        .map(({ key, times, values, min, max, count }) => ({ key, times, mean: values, min, max, count }))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
      if (series.length > 0) all.set(origin, series);
    }
    return all;
  };
}

function hourOf(seconds: number): number {
  return Math.floor(seconds / hourS) * hourS;
}

function gather<T>(all: Map<string, T[]>, origin: string, ...more: readonly T[]): void {
  const known = all.get(origin);
  if (known === undefined) all.set(origin, [...more]);
  else known.push(...more);
}

function keysText({ prefixes }: SeriesQuery): string {
  if (prefixes === undefined) return "";
  return ` AND (${prefixes.map((prefix) => `startsWith(key, ${quoteText(prefix)})`).join(" OR ") || "0"})`;
}

/** Hours that follow each other, as one stretch. */
function neighbours(hours: readonly number[]): Stretch[] {
  const stretches: { fromS: number; toS: number }[] = [];
  for (const hour of hours) {
    const last = stretches.at(-1);
    if (last?.toS === hour) last.toS = hour + hourS;
    else stretches.push({ fromS: hour, toS: hour + hourS });
  }
  return stretches;
}

function asRolled(column: Column): Rolled {
  const { times, values } = pointsOf(column);
  const { key } = column;
  return { key, scale, times, values, min: values, max: values, count: times.map(() => 1) };
}

function cut(series: Rolled, fromS: number, toS: number): Rolled {
  const order: number[] = [];
  for (let i = 0; i < series.times.length; i++) {
    const time = series.times[i] ?? 0;
    if (time >= fromS && time < toS) order.push(i);
  }
  return order.length === series.times.length ? series : pickRolled(series, order);
}
