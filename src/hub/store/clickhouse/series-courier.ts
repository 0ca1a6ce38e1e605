/** Brings waiting batches to ClickHouse: one at a time, oldest first, each under the same token until ClickHouse has it. */
import { exponentialDelay, withJitter } from "#src/lib/backoff.ts";
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type LatencyFigures, createLatencies } from "#src/lib/latencies.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { clickhouseErrorOf } from "./faults.ts";
import { rowColumns } from "./series-rows.ts";
import type { Waiting, WaitingBatch } from "./series-waiting.ts";

/** After a failed attempt. */
const firstPauseMs = 500;
const longestPauseMs = 15_000;

const insert = `INSERT INTO metric_samples (${rowColumns}) FORMAT RowBinary`;

/**
 * Each part that an insert makes is known by the token when it comes again, and so is what the view makes of it. Through a
 * table over several servers it is answered when all of them have their rows.
 */
const oneBatch: Settings = {
  deduplicate_blocks_in_dependent_materialized_views: 1,
  max_partitions_per_insert_block: "0",
  insert_distributed_sync: 1,
};
/** What no repetition makes better. */
const refusals = new Set(["INCORRECT_DATA", "ZSTD_DECODER_FAILED"]);

export type CourierWorld = {
  readonly client: Pick<Clickhouse, "insert">;
  readonly waiting: Waiting;
  /** of inserts, for a cluster: when one counts as done */
  readonly settings: Settings;
  readonly clock: Clock;
  /** says a thing that keeps happening, but not each time */
  readonly say: (message: string) => void;
  /** rows that were taken and could not be kept after all */
  readonly lost: (rows: number) => void;
};

export type Courier = {
  /** Sends what waits, unless that is going on, or a pause after a failure. */
  readonly wake: () => void;
  /** Sends what waits without a pause. @returns whether nothing waits any more */
  readonly hurry: () => Promise<boolean>;
  /** why the last attempt failed; null: it did not */
  readonly problem: () => string | null;
  readonly latencies: () => LatencyFigures;
  /** What is under way may arrive or not, and still waits. */
  readonly close: () => Promise<void>;
};

export function createCourier({ client, waiting, settings, clock, say, lost }: CourierWorld): Courier {
  const latencies = createLatencies();
  const stopping = new AbortController();
  let failures = 0;
  let problem: string | null = null;
  let sending: Promise<void> | undefined;
  let cancelRetry: Cancel | undefined;

  const isClosed = (): boolean => stopping.signal.aborted;

  function wake(): void {
    if (isClosed() || sending !== undefined || cancelRetry !== undefined) return;
    sending = sendAll().finally(() => {
      sending = undefined;
    });
    keep(sending, (error) => say(`metrics could not be sent: ${reasonOf(error)}`));
  }

  async function sendAll(): Promise<void> {
    for (let batch = waiting.first(); batch !== undefined; batch = waiting.first()) {
      if (!(await send(batch))) return;
    }
  }

  /** @returns whether the next one may go */
  async function send(batch: WaitingBatch): Promise<boolean> {
    try {
      const body = waiting.read(batch);
      if (body === undefined) return true;
      const began = clock.monotonic();
      await client.insert({
        sql: insert,
        body,
        token: batch.token,
        settings: { ...oneBatch, ...settings },
        signal: stopping.signal,
      });
      latencies.observe(clock.monotonic() - began);
      waiting.done(batch);
      if (problem !== null) say("ClickHouse takes metrics again");
      problem = null;
      failures = 0;
      return !isClosed();
    } catch (error) {
      if (isClosed()) return false;
      if (refusals.has(clickhouseErrorOf(error) ?? "")) {
        // it would be refused each time, and hold up all that comes after it
        lost(batch.rows);
        say(`ClickHouse refused ${batch.rows} numbers of metrics, they are lost: ${reasonOf(error)}`);
        waiting.done(batch);
        return true;
      }
      problem = reasonOf(error);
      say(`metrics can't be sent to ClickHouse, they wait: ${problem}`);
      const pause = withJitter(exponentialDelay(firstPauseMs, longestPauseMs, failures++), 0.2);
      cancelRetry = clock.after(pause, () => {
        cancelRetry = undefined;
        wake();
      });
      return false;
    }
  }

  return {
    wake,
    async hurry() {
      cancelRetry?.();
      cancelRetry = undefined;
      while (waiting.first() !== undefined) {
        wake();
        await sending;
        if (cancelRetry !== undefined || isClosed()) return false;
      }
      return true;
    },
    problem: () => problem,
    latencies: () => latencies.read(),
    async close() {
      stopping.abort();
      cancelRetry?.();
      await sending?.catch(() => {
        // said already; what was under way still waits
      });
    },
  };
}
