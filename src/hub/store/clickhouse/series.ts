/**
 * The store of metrics in ClickHouse, for any number of hubs: samples go through a folder on this hub's disk into one
 * table, one of the hubs rolls them up, and every hub reads them.
 */
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { SeriesRetention } from "#src/protocol/series.ts";
import { type SeriesStore, isTaken } from "../series/port.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { createForgetting } from "./series-forgetting.ts";
import { createSeriesReading } from "./series-reading.ts";
import { type RollingPace, createRolling, usualPace } from "./series-rolling.ts";
import { startSending } from "./series-sending.ts";
import { makeSeriesTables, readQuorum } from "./series-tables.ts";

const sayEveryMs = 60_000;
/** Below the hub's data: what ClickHouse does not have yet. */
export const waitingFolder = "metrics-waiting";

export type ClickhouseSeriesWorld = {
  readonly client: Clickhouse;
  /** what waits for ClickHouse lies in a folder of its own below it */
  readonly dataDir: string;
  readonly retention: SeriesRetention;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** what may wait, in bytes on the disk; for tests, as is the pace */
  readonly mostWaitingBytes?: number;
  readonly pace?: RollingPace;
};

export type ClickhouseSeries = SeriesStore & {
  /** What one of all hubs is to do: rolling samples up. */
  readonly duty: { readonly begin: () => void; readonly end: () => Promise<void> };
  /** Resolves when ClickHouse has all that was taken. Rejects with a Fault `unavailable` when it does not take it. */
  readonly flush: () => Promise<void>;
  /** Rolls up all that is due. @returns how many hours of origins */
  readonly rollUp: () => Promise<number>;
};

/** Makes the tables when there are none. Rejects with a Fault: `failed` when the folder can't be used, or ClickHouse's. */
export async function openClickhouseSeries(world: ClickhouseSeriesWorld): Promise<ClickhouseSeries> {
  const { client, dataDir, retention, clock } = world;
  const place = { cluster: client.cluster, database: client.database, retention };
  await makeSeriesTables(client, place);
  const shouldSay = createSeldom(clock, sayEveryMs);
  const warn = (message: string): void => {
    if (shouldSay(message)) world.warn(message);
  };
  const sending = startSendingIn(join(dataDir, waitingFolder), world, await readQuorum(client));
  const { pace = usualPace } = world;
  const read = createSeriesReading({ client, retention, now: () => clock.now(), freshS: pace.freshS });
  const rolling = createRolling({ client, retention, clock, warn, pace });
  const forgetting = createForgetting({ client, place, clock, warn });
  let samples = 0;
  let refused = 0;

  return {
    append(origin, atMs, subjects, values) {
      const atS = Math.floor(atMs / 1000);
      const isGood = isTaken(atS, Math.floor(clock.now() / 1000), retention);
      if (!isGood || !sending.add(origin, atS, subjects, values)) {
        refused++;
        return false;
      }
      forgetting.remember(origin);
      samples++;
      return true;
    },
    async read(origin, query) {
      if (forgetting.isForgotten(origin)) return [];
      return (await read([origin], query)).get(origin) ?? [];
    },
    readMany: (origins, query) =>
      read(
        origins.filter((origin) => !forgetting.isForgotten(origin)),
        query,
      ),
    drop: (origin) => forgetting.forget(origin),
    figures: () => ({
      samples,
      refused,
      openBytes: sending.openBytes(),
      due: rolling.due(),
      sending: sending.figures(),
    }),
    duty: { begin: () => rolling.begin(), end: () => rolling.end() },
    flush: () => sending.flush(),
    rollUp: () => rolling.rollAll(true),
    async close() {
      keep(forgetting.close(), (error) => warn(reasonOf(error)));
      await sending.close();
      await rolling.end();
    },
  };
}

function startSendingIn(
  folder: string,
  { client, clock, warn, mostWaitingBytes }: ClickhouseSeriesWorld,
  settings: Settings,
) {
  try {
    return startSending({
      client,
      folder,
      clock,
      warn,
      settings,
      ...(mostWaitingBytes === undefined ? {} : { mostBytes: mostWaitingBytes }),
    });
  } catch (error) {
    throw new Fault("failed", `can't use ${folder}, where metrics wait for ClickHouse: ${reasonOf(error)}`, {
      hint: "Give this user the right to read and write it",
      cause: error,
    });
  }
}
