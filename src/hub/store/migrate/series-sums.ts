/** Checksums of metrics on either side, by origin and tier. */
import { type Tier, tiers } from "#src/protocol/series.ts";
import { secondText } from "../clickhouse/series-text.ts";
import { type Column, mergeColumns } from "../series/column.ts";
import { type SeriesCopy, keptSince, seriesPart } from "./series.ts";
import { type Difference, type Sums, addSum, differencesOf } from "./sums.ts";

const timeoutMs = 3600_000;
const dayS = 86_400;
/** Seconds that are read by one statement. */
const stretchS: Readonly<Record<Tier, number>> = { 0: dayS / 4, 300: 10 * dayS, 3600: 100 * dayS };
/** Clocks of servers may be ahead of this one by so much: the last stretch has no end. */
const aheadS = dayS;

const float = new Float64Array(1);
const word = new BigUint64Array(float.buffer);

function bitsOf(value: number): string {
  float[0] = value + 0;
  return String(word[0]);
}

/** From which second on a tier is compared. */
type Since = (tier: Tier) => number;

/**
 * Compares what was copied since the last comparison: from the first second on that a newer block has anything of.
 * `everything`: also what is in no block yet, of a hub that stands still.
 */
export async function compareSeries(
  copy: SeriesCopy,
  { everything }: { readonly everything: boolean },
): Promise<{ readonly compared: number; readonly differences: readonly Difference[] }> {
  const { source, journal, place, nowMs, copied } = copy;
  const after = await journal.comparedUpTo(seriesPart);
  let openS = Infinity;
  const open = new Map<string, readonly Column[]>();
  for (const { origin, columns } of everything ? source.open() : []) {
    open.set(origin, columns);
    for (const { times } of columns) openS = Math.min(openS, times[0] ?? Infinity);
  }
  const since: Since = (tier) =>
    Math.max(keptSince(place, tier, nowMs), Math.min(source.changedSince(after, tier), tier === 0 ? openS : Infinity));
  const wanted: Sums = new Map();
  for (const origin of source.origins()) {
    copy.signal.throwIfAborted();
    copied(sumOrigin(copy, origin, open.get(origin) ?? [], since, wanted), 0);
    // a large fleet's takes minutes, and Ctrl-C is to be heard
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  const differences = differencesOf(wanted, await sumStoredSeries(copy, since), (key) => key);
  const copiedUpTo = await journal.copiedUpTo(seriesPart);
  if (differences.length === 0 && copiedUpTo > after) await journal.compared(seriesPart, copiedUpTo);
  return { compared: [...wanted.values()].reduce((sum, { count }) => sum + count, 0), differences };
}

/** What the source has of an origin. @returns how many numbers */
function sumOrigin({ source }: SeriesCopy, origin: string, open: readonly Column[], since: Since, sums: Sums): number {
  let numbers = 0;
  const rawS = since(0);
  const raw = rawS === Infinity ? [] : mergeAll(source.whole(origin, 0, rawS), open);
  for (const { key, times, values } of raw) {
    let [count, sum] = [0, 0n];
    times.forEach((time, i) => {
      if (time < rawS) return;
      sum += hashOf([origin, key, time, bitsOf(values[i] ?? 0)]);
      count++;
    });
    if (count > 0) addSum(sums, nameOf(0, origin), count, sum);
    numbers += count;
  }
  for (const tier of [300, 3600] as const) {
    const fromS = since(tier);
    for (const series of fromS === Infinity ? [] : source.whole(origin, tier, fromS)) {
      const { key, times, values, min, max, count: points } = series;
      let [count, sum] = [0, 0n];
      times.forEach((time, i) => {
        if (time < fromS) return;
        const figures = [values[i], min[i], max[i]].map((value) => bitsOf(value ?? 0));
        sum += hashOf([origin, key, time, ...figures, points[i] ?? 0]);
        count++;
      });
      if (count > 0) addSum(sums, nameOf(tier, origin), count, sum);
      numbers += count;
    }
  }
  return numbers;
}

function mergeAll(one: readonly Column[], other: readonly Column[]): Iterable<Column> {
  return other.length === 0 ? one : mergeColumns([one, other]).values();
}

const nameOf = (tier: number, origin: string): string => `metrics ${tier === 0 ? "raw" : `${tier} s`} ${origin}`;
const hashOf = (parts: readonly (string | number)[]): bigint => Bun.hash.xxHash64(parts.join("\n"));

/** What ClickHouse has, read back, a stretch after the other. */
async function sumStoredSeries({ client, signal, nowMs }: SeriesCopy, sinceOf: Since): Promise<Sums> {
  const bits = (value: string) => `toString(reinterpretAsUInt64(${value}))`;
  const line = (parts: readonly string[]) => `toString(sum(xxHash64(concat(${parts.join(", '\\n', ")}))))`;
  const time = "toString(toUnixTimestamp(at))";
  const figures = ["mean", "min", "max"].map(bits);
  // a column's name for something else would stand for that in the condition, too
  const answer = (tier: Tier, sum: string) =>
    `SELECT ${tier} AS tier_read, toString(origin) AS origin_read, toFloat64(count()) AS rows, ${sum} AS sum FROM`;
  const sums: Sums = new Map();
  for (const tier of tiers) {
    const sinceS = sinceOf(tier);
    const lastS = Math.floor(nowMs / 1000) + aheadS;
    for (let fromS = sinceS; fromS < lastS; fromS += stretchS[tier]) {
      const toS = fromS + stretchS[tier];
      const between = `at >= ${secondText(fromS)}${toS < lastS ? ` AND at < ${secondText(toS)}` : ""}`;
      const sql =
        tier === 0
          ? `${answer(0, line(["origin", "key", time, bits("number")]))} (SELECT origin, key, at, max(value) AS number ` +
            `FROM metric_samples WHERE ${between} GROUP BY toStartOfHour(at), origin, key, at) GROUP BY origin_read`
          : `${answer(tier, line(["origin", "key", time, ...figures, "toString(count)"]))} metric_rollups FINAL ` +
            `WHERE tier = ${tier} AND ${between} GROUP BY origin_read`;
      const rows = await client.rows<{ tier_read: number; origin_read: string; rows: number; sum: string }>(sql, {
        timeoutMs,
        signal,
        // in the order in which the rows lie: nothing has to be kept but the last one
        settings: { optimize_aggregation_in_order: 1 },
      });
      for (const row of rows) addSum(sums, nameOf(row.tier_read, row.origin_read), row.rows, BigInt(row.sum));
    }
  }
  return sums;
}
