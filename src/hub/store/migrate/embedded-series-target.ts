/** `metrics.db` made out of what ClickHouse has, where no hub is yet. */
import { join } from "node:path";

import { tiers } from "#src/protocol/series.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { RowReader, readAnswer } from "../clickhouse/series-answer.ts";
import { quoteText } from "../clickhouse/series-text.ts";
import { openDatabase } from "../database.ts";
import { writeRolled } from "../series/block.ts";
import { createBlocks, periodOf, startOf } from "../series/blocks.ts";
import { type Column, type Rolled, mergeColumns, mergeRolled, pickRolled } from "../series/column.ts";
import { prepareStatements } from "../series/statements.ts";
import { seriesMigrations } from "../series/tables.ts";
import { work } from "../series/upkeep.ts";
import { type Sums, addSum } from "./sums.ts";

/**
 * ClickHouse has numbers without the scale that they were rounded to: written finer than any scale that there is, they come
 * out as the same number on it. A number may be off by a two-millionth.
 */
const scale = { unit: 1e-6, bits: 20 };
const tolerance = 2 ** -scale.bits;

export type SeriesBack = {
  readonly client: Clickhouse;
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly copied: (numbers: number) => void;
};

/** Makes the file anew. @returns numbers by origin and tier, what there is and what was read back; those that differ count as missing */
export async function bringSeriesBack({ client, folder, signal, copied }: SeriesBack) {
  const [wanted, found]: [Sums, Sums] = [new Map(), new Map()];
  const { database } = await openDatabase(join(folder, "metrics.db"), seriesMigrations);
  try {
    for (const table of ["blocks", "due", "journal", "origins"]) database.run(`DELETE FROM ${table}`);
    const statements = prepareStatements(database);
    const blocks = createBlocks(statements, (_, error) => {
      throw error;
    });
    for (const name of await originsOf(client)) {
      signal.throwIfAborted();
      const origin = Number(statements.addOrigin.run(name).lastInsertRowid);
      const columns = await readColumnsOf(client, name);
      if (columns.length > 0) blocks.addColumns(origin, columns, "stays");
      const all = mergeColumns(blocks.columns(origin, 0, 2 ** 33));
      note(name, 0, columns, (key) => all.get(key));
      for (const tier of tiers) {
        if (tier === 0) continue;
        const rolled = await readRolledOf(client, name, tier);
        for (const [period, part] of byPeriod(rolled, periodOf[tier])) {
          const times = part.flatMap((one) => one.times);
          const end = times.reduce((last, time) => Math.max(last, time), 0) + tier - 1;
          const first = times.reduce((least, time) => Math.min(least, time), Infinity);
          statements.addBlock.run(origin, tier, period, first, end, writeRolled(part, "stays"));
        }
        const back = mergeRolled(blocks.rolled(origin, tier, 0, 2 ** 33));
        note(name, tier, rolled, (key) => back.get(key));
      }
      for (const hour of await openHoursOf(client, name)) statements.addDue.run(origin, work.rollHour, hour, hour);
    }
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    database.close();
  }
  return { wanted, found };

  function note(
    origin: string,
    tier: number,
    series: readonly (Column | Rolled)[],
    back: (key: string) => Column | Rolled | undefined,
  ): void {
    const name = `metrics ${tier === 0 ? "raw" : `${tier} s`} ${origin}`;
    let numbers = 0;
    for (const one of series) {
      addSum(wanted, name, one.times.length, 0n);
      addSum(found, name, same(one, back(one.key)), 0n);
      numbers += one.times.length;
    }
    copied(numbers);
  }
}

/** How many numbers of a series are there again. */
function same(one: Column | Rolled, other: Column | Rolled | undefined): number {
  if (other === undefined) return 0;
  const places = new Map(other.times.map((time, i) => [time, i]));
  let count = 0;
  one.times.forEach((time, i) => {
    const at = places.get(time);
    const [value, back] = [one.values[i] ?? 0, at === undefined ? Number.NaN : (other.values[at] ?? 0)];
    if (Math.abs(value - back) <= Math.abs(value) * tolerance + scale.unit) count++;
  });
  return count;
}

function byPeriod(rolled: readonly Rolled[], length: number): ReadonlyMap<number, Rolled[]> {
  const parts = new Map<number, Rolled[]>();
  for (const series of rolled) {
    const own = new Map<number, number[]>();
    series.times.forEach((time, i) => {
      const period = startOf(time, length);
      own.set(period, [...(own.get(period) ?? []), i]);
    });
    for (const [period, order] of own) parts.set(period, [...(parts.get(period) ?? []), pickRolled(series, order)]);
  }
  return parts;
}

async function originsOf(client: Clickhouse): Promise<readonly string[]> {
  const rows = await client.rows<{ name: string }>(
    "SELECT DISTINCT toString(origin) AS name FROM (SELECT origin FROM metric_samples UNION ALL SELECT origin FROM metric_rollups) ORDER BY name",
  );
  return rows.map(({ name }) => name);
}

async function readColumnsOf(client: Clickhouse, origin: string): Promise<readonly Column[]> {
  const sql =
    "SELECT key, max(counter), groupArray(second), groupArray(value) FROM (SELECT key, counter, " +
    `toUnixTimestamp(at) AS second, value FROM metric_samples WHERE origin = ${quoteText(origin)} ORDER BY key, at) GROUP BY key FORMAT RowBinary`;
  const from = new RowReader(await readAnswer(client, sql));
  const columns: Column[] = [];
  while (!from.done) {
    const [key, counter] = [from.text(), from.byte() === 1];
    columns.push({ key, counter, scale, times: from.uint32s(), values: from.doubles() });
  }
  return [...mergeColumns([columns]).values()];
}

async function readRolledOf(client: Clickhouse, origin: string, tier: number): Promise<readonly Rolled[]> {
  const sql =
    "SELECT key, groupArray(second), groupArray(mean), groupArray(min), groupArray(max), groupArray(count) FROM " +
    `(SELECT key, toUnixTimestamp(at) AS second, mean, min, max, count FROM metric_rollups FINAL WHERE tier = ${tier} ` +
    `AND origin = ${quoteText(origin)} ORDER BY key, at) GROUP BY key FORMAT RowBinary`;
  const from = new RowReader(await readAnswer(client, sql));
  const rolled: Rolled[] = [];
  while (!from.done) {
    const key = from.text();
    const [times, values, min, max, count] = [
      from.uint32s(),
      from.doubles(),
      from.doubles(),
      from.doubles(),
      from.uint32s(),
    ];
    rolled.push({ key, scale, times, values, min, max, count });
  }
  return [...mergeRolled([rolled]).values()];
}

/** Hours that were touched since they were rolled up. */
async function openHoursOf(client: Clickhouse, origin: string): Promise<readonly number[]> {
  const rows = await client.rows<{ start: number }>(
    `SELECT toUnixTimestamp(hour) AS start FROM metric_hours WHERE origin = ${quoteText(origin)} GROUP BY hour HAVING max(touched) > max(rolled)`,
  );
  return rows.map(({ start }) => start);
}
