/** `metrics.db` made out of what ClickHouse has, where no hub is yet. */
import type { Database } from "bun:sqlite";
import { join } from "node:path";

import type { Tier } from "#src/protocol/series.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { nowOf, openHoursOf, originsOf, readColumnsOf, readRolledOf, scale } from "./clickhouse-series.ts";
import { quoteList, quoteText, secondText } from "../clickhouse/series-text.ts";
import { openDatabase } from "../database.ts";
import { writeRolled } from "../series/block.ts";
import { type Blocks, createBlocks, periodOf, startOf } from "../series/blocks.ts";
import { type Column, type Rolled, mergeColumns, mergeRolled, pickRolled } from "../series/column.ts";
import { type Statements, prepareStatements } from "../series/statements.ts";
import { seriesMigrations } from "../series/tables.ts";
import { work } from "../series/upkeep.ts";
import type { Journal, Range } from "./journal.ts";
import { seriesPart } from "./series.ts";
import { type Sums, addSum, differencesOf } from "./sums.ts";

const hourS = 3600;

/** Two numbers of the same scale may be so far apart. */
const tolerance = 2 ** -scale.bits;

export type SeriesBack = {
  readonly client: Clickhouse;
  readonly folder: string;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  readonly copied: (numbers: number) => void;
};

/** Hours of samples, and origins of averages, that are asked for at once. */
const hoursAtOnce = 500;
const originsAtOnce = 50;
/** An insert is seen later than it was noted, and replicas later still: so much is copied once more. Milliseconds. */
const marginMs = 600_000;
const quoteName = (origin: string): string => `origin = ${quoteText(origin)}`;
/** Beyond any time of a block. */
const endS = 2 ** 33;

/**
 * Copies what is not there yet: the first time everything, an origin after the other; then hours that were touched or rolled
 * up since. Hubs may be at work meanwhile. `last`: they stand still, and what a hub that starts on the file has to do is
 * noted. What was written is read back at once. @returns how many numbers were compared, and those that are not the same
 */
export async function bringSeriesBack(back: SeriesBack, { last }: { readonly last: boolean }) {
  const { client, folder, journal, signal } = back;
  const [wanted, found]: [Sums, Sums] = [new Map(), new Map()];
  const { database } = await openDatabase(join(folder, "metrics.db"), seriesMigrations);
  try {
    const statements = prepareStatements(database);
    const blocks = createBlocks(statements, (_, error) => {
      throw error;
    });
    const write = createWriter({ statements, blocks, note });
    const before = await journal.newest(seriesPart);
    const begun = await journal.open(seriesPart);
    const mark = (await nowOf(client)) - marginMs;
    const number = (before?.last ?? 0) + 1;
    const range: Range =
      before === null && begun !== null
        ? begun
        : { first: number, last: number, insertId: crypto.randomUUID(), arrivedMs: mark, lines: 0, sums: new Map() };
    if (range !== begun) await journal.begin(seriesPart, range);
    const origins = await originsOf(client);
    if (before === null) {
      if (range !== begun) for (const table of tables) database.run(`DELETE FROM ${table}`);
      const known = new Set(statements.origins.all().map(({ name }) => name));
      for (const name of origins) {
        signal.throwIfAborted();
        if (known.has(name)) continue;
        const raw = await readColumnsOf(client, quoteName(name), signal);
        const rolled: (readonly [Tier, ReadonlyMap<string, readonly Rolled[]>])[] = [];
        for (const tier of rolledTiers) rolled.push([tier, await readRolledOf(client, tier, quoteName(name), signal)]);
        // there whole or not at all, so that the next run knows
        transact(database, () => {
          write.columns(name, raw.get(name) ?? []);
          for (const [tier, all] of rolled) write.rolled(name, tier, all.get(name) ?? []);
        });
      }
    } else await copyTouched(back, before.arrivedMs, (work) => transact(database, work), write);
    if (last) {
      const there = new Set(origins);
      const due = await openHoursOf(client);
      transact(database, () => {
        for (const { id, name } of statements.origins.all()) if (!there.has(name)) dropOrigin(statements, id);
        noteDue(database, statements, due);
      });
    }
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    const differences = differencesOf(wanted, found, (key) => key);
    // otherwise the next run copies it again
    if (differences.length === 0) await journal.finish(seriesPart, range);
    return { compared: [...wanted.values()].reduce((sum, { count }) => sum + count, 0), differences };
  } finally {
    database.close();
  }

  function note(
    origin: string,
    tier: Tier,
    series: readonly (Column | Rolled)[],
    again: ReadonlyMap<string, Column | Rolled>,
  ): void {
    const name = `metrics ${tier === 0 ? "raw" : `${tier} s`} ${origin}`;
    let numbers = 0;
    for (const one of series) {
      addSum(wanted, name, one.times.length, 0n);
      addSum(found, name, same(one, again.get(one.key)), 0n);
      numbers += one.times.length;
    }
    back.copied(numbers);
  }
}

const tables = ["blocks", "due", "journal", "origins"];
const rolledTiers = [300, 3600] as const;

type Writer = {
  readonly columns: (origin: string, columns: readonly Column[]) => void;
  readonly rolled: (origin: string, tier: Tier, rolled: readonly Rolled[]) => void;
};

/** Writes blocks beside what is there, and reads back what counts now. */
function createWriter({
  statements,
  blocks,
  note,
}: {
  readonly statements: Statements;
  readonly blocks: Blocks;
  readonly note: (
    origin: string,
    tier: Tier,
    series: readonly (Column | Rolled)[],
    again: ReadonlyMap<string, Column | Rolled>,
  ) => void;
}): Writer {
  const ids = new Map(statements.origins.all().map(({ id, name }) => [name, id]));
  function idOf(name: string): number {
    const id = ids.get(name) ?? Number(statements.addOrigin.run(name).lastInsertRowid);
    ids.set(name, id);
    return id;
  }
  return {
    columns(name, columns) {
      const origin = idOf(name);
      if (columns.length === 0) return;
      blocks.addColumns(origin, columns, "stays");
      const [firstS] = spanOf(columns);
      note(name, 0, columns, mergeColumns(blocks.columns(origin, firstS, endS)));
    },
    rolled(name, tier, rolled) {
      const origin = idOf(name);
      if (rolled.length === 0) return;
      for (const [period, part] of byPeriod(rolled, periodOf[tier])) {
        const [firstS, lastS] = spanOf(part);
        statements.addBlock.run(origin, tier, period, firstS, lastS + tier - 1, writeRolled(part, "stays"));
      }
      const [firstS] = spanOf(rolled);
      note(name, tier, rolled, mergeRolled(blocks.rolled(origin, tier, firstS, endS)));
    },
  };
}

/** Samples of hours that were touched, and averages that were made, since a moment of the database's clock. */
async function copyTouched(
  { client, signal }: SeriesBack,
  sinceMs: number,
  within: (work: () => void) => void,
  write: Writer,
): Promise<void> {
  const since = `fromUnixTimestamp64Milli(toInt64(${sinceMs}), 'UTC')`;
  const hours = await client.rows<{ name: string; start: number }>(
    "SELECT toString(origin) AS name, toUnixTimestamp(hour) AS start FROM metric_hours GROUP BY hour, origin " +
      `HAVING max(touched) >= ${since} ORDER BY name, start`,
    { signal },
  );
  for (let from = 0; from < hours.length; from += hoursAtOnce) {
    const some = hours.slice(from, from + hoursAtOnce);
    const starts = some.map(({ start }) => start);
    const names = quoteList([...new Set(some.map(({ name }) => name))]);
    const pairs = some.map(({ name, start }) => `(${secondText(start)}, ${quoteText(name)})`).join(", ");
    const where =
      `origin IN ${names} AND at >= ${secondText(Math.min(...starts))} AND at < ${secondText(Math.max(...starts) + hourS)} ` +
      `AND (toStartOfHour(at), toString(origin)) IN (${pairs})`;
    const found = await readColumnsOf(client, where, signal);
    within(() => found.forEach((columns, name) => write.columns(name, columns)));
  }
  const rolled = await client.rows<{ name: string }>(
    `SELECT DISTINCT toString(origin) AS name FROM metric_rollups WHERE rolled >= ${since} ORDER BY name`,
    { signal },
  );
  for (let from = 0; from < rolled.length; from += originsAtOnce) {
    const names = quoteList(rolled.slice(from, from + originsAtOnce).map(({ name }) => name));
    for (const tier of rolledTiers) {
      const found = await readRolledOf(client, tier, `rolled >= ${since} AND origin IN ${names}`, signal);
      within(() => found.forEach((series, name) => write.rolled(name, tier, series)));
    }
  }
}

/** What a hub does when it starts: rolls up hours that were touched since they were, and packs what came in pieces. */
function noteDue(
  database: Database,
  statements: Statements,
  hours: readonly { readonly name: string; readonly start: number }[],
): void {
  database.run("DELETE FROM due");
  const ids = new Map(statements.origins.all().map(({ id, name }) => [name, id]));
  for (const { name, start } of hours) {
    const origin = ids.get(name);
    if (origin !== undefined) statements.addDue.run(origin, work.rollHour, start, start);
  }
  const pieces = database
    .query<{ origin: number; period: number }, []>(
      "SELECT DISTINCT origin, period FROM (SELECT origin, period FROM blocks GROUP BY origin, tier, period HAVING count(*) > 1)",
    )
    .all();
  for (const { origin, period } of pieces) statements.addDue.run(origin, work.packDay, period, period);
}

function dropOrigin(statements: Statements, id: number): void {
  statements.dropBlocksOf.run(id);
  statements.dropDueOf.run(id);
  statements.dropOrigin.run(id);
}

function transact(database: Database, work: () => void): void {
  database.transaction(work).immediate();
}

function spanOf(series: readonly { readonly times: readonly number[] }[]): readonly [number, number] {
  let [first, last] = [Infinity, 0];
  for (const { times } of series) {
    first = Math.min(first, times[0] ?? first);
    last = Math.max(last, times.at(-1) ?? last);
  }
  return [first, last];
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
    const own = Map.groupBy(series.times.keys(), (i) => startOf(series.times[i] ?? 0, length));
    for (const [period, order] of own) {
      const part = parts.get(period);
      if (part === undefined) parts.set(period, [pickRolled(series, order)]);
      else part.push(pickRolled(series, order));
    }
  }
  return parts;
}
