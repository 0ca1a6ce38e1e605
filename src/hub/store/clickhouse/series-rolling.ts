/**
 * Rolling hours up in ClickHouse, by one hub at a time (two at once would do no harm: both write the same).
 *
 *   an hour of an origin is   when                                             its averages come from
 *   open                      it was touched after it was last rolled up       samples
 *   due                       open, over for a while, and nothing comes now    samples
 *   rolled up                 rolled up after the last touch                   roll-ups
 *
 * Touches and roll-ups are stamped by ClickHouse's clocks. A roll-up is stamped earlier than it began, by more than these
 * clocks differ and an insert takes: what came in meanwhile leaves the hour open, and it is rolled up once more.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { SeriesRetention } from "#src/protocol/series.ts";
import { longestGapS } from "../series/rollup.ts";
import { RowReader, readAnswer } from "./series-answer.ts";
import type { Clickhouse } from "./client.ts";
import { quoteList, secondText } from "./series-text.ts";

const hourS = 3600;
/** How often hours of the last time are looked for, and how often all. */
const lookEveryMs = 60_000;
const lookAtAllEveryMs = 30 * 60_000;
const lately = 4 * hourS;
/** What still trickles in is rolled up again so seldom. */
const atLeastS = 30 * 60;
/** Origins of one statement: an hour of a server is some thousand numbers, a few hundred bytes of memory each. */
const originsAtOnce = 200;
const rollTimeoutMs = 300_000;

export type RollingPace = {
  /** so long after its end an hour is rolled up: agents' numbers come late, too */
  readonly settleS: number;
  /** by which a roll-up is stamped before its beginning, and for which nothing may have come */
  readonly marginS: number;
  /**
   * for so long after that, an hour is read from samples all the same: another replica may know that it was rolled up
   * before it has what came out
   */
  readonly freshS: number;
};

export const usualPace: RollingPace = { settleS: 600, marginS: 120, freshS: 300 };

export type RollingWorld = {
  readonly client: Pick<Clickhouse, "address" | "read" | "run">;
  readonly retention: SeriesRetention;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly pace: RollingPace;
};

export type Rolling = {
  /** Looks from now on, until `end`. */
  readonly begin: () => void;
  readonly end: () => Promise<void>;
  /** Hours of origins that were due when it last looked; 0 while another hub does it. */
  readonly due: () => number;
  /** Rolls up all that is due now. @returns how many hours of origins. Rejects with a Fault. */
  readonly rollAll: (everything: boolean, signal?: AbortSignal) => Promise<number>;
};

export function createRolling(world: RollingWorld): Rolling {
  const { client, retention, clock, warn, pace } = world;
  let stopping: AbortController | undefined;
  let cancelLook: Cancel | undefined;
  let looking: Promise<void> = Promise.resolve();
  let allAt = -Infinity;
  let due = 0;

  /** By hour, oldest first. */
  async function findDue(everything: boolean, signal?: AbortSignal): Promise<Map<number, string[]>> {
    const end = `now64(3) - toIntervalSecond(${hourS + pace.settleS})`;
    const from = everything ? "" : `hour >= now() - toIntervalSecond(${lately}) AND `;
    const sql =
      `SELECT toUnixTimestamp(hour) AS h, origin FROM (SELECT hour, origin, max(touched) AS t, max(rolled) AS r ` +
      `FROM metric_hours WHERE ${from}hour <= ${end} GROUP BY hour, origin) ` +
      `WHERE t > r AND (t <= now64(3) - toIntervalSecond(${pace.marginS}) OR r < now64(3) - toIntervalSecond(${atLeastS})) ` +
      `ORDER BY h, origin FORMAT RowBinary`;
    const answer = new RowReader(await readAnswer(client, sql, signal));
    const found = new Map<number, string[]>();
    due = 0;
    for (; !answer.done; due++) {
      const hour = answer.uint32();
      const origins = found.get(hour);
      if (origins === undefined) found.set(hour, [answer.text()]);
      else origins.push(answer.text());
    }
    return found;
  }

  async function roll(hourAtS: number, origins: readonly string[], signal?: AbortSignal): Promise<void> {
    const answer = await readAnswer(
      client,
      `SELECT toInt64(toUnixTimestamp64Milli(now64(3))) - ${1000 * pace.marginS} FORMAT RowBinary`,
      signal,
    );
    const stamp = `fromUnixTimestamp64Milli(toInt64(${new RowReader(answer).int64()}), 'UTC')`;
    const ask = { timeoutMs: rollTimeoutMs, settings: rollSettings, ...(signal === undefined ? {} : { signal }) };
    // of an hour whose samples are going, averages of what is left would be wrong
    const whole = hourAtS - longestGapS > clock.now() / 1000 - retention.raw;
    if (whole) await client.run(rollText(hourAtS, origins, stamp), ask);
    await client.run(
      `INSERT INTO metric_hours (hour, origin, touched, rolled) SELECT ${secondText(hourAtS)}, ` +
        `arrayJoin([${quoteList(origins).slice(1, -1)}]), toDateTime64(0, 3, 'UTC'), ${stamp}`,
      ask,
    );
  }

  async function rollAll(everything: boolean, signal?: AbortSignal): Promise<number> {
    let count = 0;
    for (const [hour, origins] of await findDue(everything, signal)) {
      for (let i = 0; i < origins.length; i += originsAtOnce) {
        const some = origins.slice(i, i + originsAtOnce);
        await roll(hour, some, signal);
        count += some.length;
        due -= some.length;
      }
    }
    return count;
  }

  async function look(signal: AbortSignal): Promise<void> {
    const began = clock.monotonic();
    const everything = began - allAt >= lookAtAllEveryMs;
    await rollAll(everything, signal);
    if (everything) allAt = began;
  }

  function lookAgain(own: AbortController): void {
    looking = look(own.signal)
      .catch((error: unknown) => {
        if (!own.signal.aborted) warn(`metrics can't be rolled up, it is tried again: ${reasonOf(error)}`);
      })
      .finally(() => {
        if (!own.signal.aborted) cancelLook = clock.after(lookEveryMs, () => lookAgain(own));
      });
    keep(looking, (error) => warn(reasonOf(error)));
  }

  return {
    begin() {
      if (stopping !== undefined) return;
      stopping = new AbortController();
      // whoever did it before may have left something
      allAt = -Infinity;
      lookAgain(stopping);
    },
    async end() {
      stopping?.abort();
      stopping = undefined;
      cancelLook?.();
      await looking;
      due = 0;
    },
    due: () => due,
    rollAll,
  };
}

/** In the order of the table, so that little memory is needed; what goes in is one part, whatever it was made of. */
const rollSettings = {
  optimize_aggregation_in_order: 1,
  optimize_skip_unused_shards: 1,
  insert_distributed_sync: 1,
  max_threads: 2,
} as const;

/** The roll-ups of an hour, both tiers in one: rates and stretches as series/rollup.ts makes them. */
function rollText(hourAtS: number, origins: readonly string[], stamp: string): string {
  const [from, to] = [secondText(hourAtS), secondText(hourAtS + hourS)];
  // each second once
  const seconds =
    `SELECT origin, key, at, max(counter) AS is_counter, max(value) AS number FROM metric_samples ` +
    `WHERE at >= ${secondText(hourAtS - longestGapS)} AND at < ${to} AND origin IN ${quoteList(origins)} ` +
    `GROUP BY origin, key, at`;
  // with the number before it
  const pairs =
    `SELECT origin, key, at, is_counter, number, toUnixTimestamp(at) AS second, ` +
    `lagInFrame(toUnixTimestamp(at)) OVER series AS second_before, lagInFrame(number) OVER series AS number_before ` +
    `FROM (${seconds}) WINDOW series AS (PARTITION BY origin, key ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`;
  const points =
    `SELECT origin, key, at, if(is_counter = 1, ` +
    `if(number < number_before, number, number - number_before) / (second - second_before), number) AS point ` +
    `FROM (${pairs}) WHERE at >= ${from} AND ` +
    `(is_counter = 0 OR (second_before > 0 AND second - second_before <= ${longestGapS}))`;
  const minutes =
    `SELECT origin, key, toStartOfFiveMinutes(at) AS stretch, sum(point) AS s, min(point) AS low, max(point) AS high, ` +
    `count() AS n FROM (${points}) GROUP BY origin, key, stretch`;
  const tiers =
    `SELECT tier, origin, key, if(tier = 300, stretch, ${from}) AS start, sum(s) / sum(n), min(low), max(high), ` +
    `toUInt32(sum(n)), ${stamp} FROM (${minutes}) ARRAY JOIN [toUInt16(300), toUInt16(3600)] AS tier ` +
    `GROUP BY tier, origin, key, start`;
  return `INSERT INTO metric_rollups (tier, origin, key, at, mean, min, max, count, rolled) ${tiers}`;
}
