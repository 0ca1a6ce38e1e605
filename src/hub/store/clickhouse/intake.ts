/** The way of log entries into ClickHouse, and past whoever follows them: one half of the store (logs.ts). */
import type { Clock } from "#src/lib/clock.ts";
import type { Cluster } from "../cluster/port.ts";
import type { BlockStore } from "../log-port.ts";
import { arrivedText, createArrivalTest } from "../search/follow.ts";
import { createArrivals } from "./arrivals.ts";
import type { Clickhouse } from "./client.ts";
import { readExtent } from "./extent.ts";
import { type InsertFigures, type insertTimes, createInserts } from "./inserts.ts";
import { type LedgerDatabase, createLedger } from "./ledger.ts";
import { logsDdl, readInsertSettings } from "./logs-tables.ts";
import { createSettling } from "./settling.ts";
import { readShards } from "./shards.ts";

export type IntakeWorld = {
  readonly client: Clickhouse;
  /** ledger-databases.ts */
  readonly ledger: LedgerDatabase;
  readonly cluster: Pick<Cluster, "hubId" | "isMember" | "isGone" | "onGone" | "signal" | "onSignal">;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** how long the longest kept entries are kept */
  readonly days: number;
  /** for tests */
  readonly times?: Partial<typeof insertTimes>;
};

/** What the hub tells of it. */
export type LogFigures = InsertFigures & {
  /** inserts of all hubs that are not known to be stored, and for how long the oldest is not; null: there is none */
  readonly pending: number;
  readonly oldestPendingMs: number | null;
  /** bytes of deliveries that are not answered */
  readonly waitingBytes: number;
  /** the highest position given, and up to where everything is settled */
  readonly given: number;
  readonly head: number;
  /** why entries can't be taken now; null: they are */
  readonly problem: string | null;
};

export type LogIntake = Pick<
  BlockStore,
  "append" | "head" | "onArrival" | "arrivalTest" | "arrivedText" | "arrivalsAfter" | "extentSince" | "waiting"
> & {
  readonly figures: () => LogFigures;
  /** Asks the ledger where the log ends: `head()` is that or later when it resolves. Rejects with a Fault. */
  readonly refreshHead: () => Promise<number>;
  /** Refuses what waits, and resolves when nothing is on its way any more. */
  readonly close: () => Promise<void>;
};

/** Makes the tables, and settles what earlier hubs have left. Rejects with a Fault. */
export async function openClickhouseIntake(world: IntakeWorld): Promise<LogIntake> {
  const { client, cluster, log } = world;
  for (const statement of logsDdl(client, world.days)) await client.run(statement);
  const [shards, settings] = [await readShards(client), await readInsertSettings(client)];
  const ledger = createLedger(world.ledger);
  const settling = createSettling({ ...world, ledger, shards, isInFlight: (id) => inserts.isInFlight(id) });
  const arrivals = createArrivals({
    ...world,
    ledger,
    async settle(pending) {
      if ((await settling.settle(pending)) > 0) tell();
    },
  });
  const inserts = createInserts({
    ...world,
    ledger,
    shards,
    settings,
    warn: (message) => log.warn(message),
    stored(stretches) {
      arrivals.add(stretches);
      cluster.signal("logs");
    },
    unsure(why) {
      settling.fail(why);
      arrivals.look();
    },
    obstacle: settling.problem,
    given: arrivals.given,
    ...(world.times === undefined ? {} : { times: world.times }),
  });
  const cancelGone = cluster.onGone(() => arrivals.look());

  /** Others may go on too. */
  function tell(): void {
    arrivals.look();
    cluster.signal("logs");
  }

  await arrivals.start();
  return {
    append: inserts.append,
    waiting: inserts.waiting,
    head: arrivals.head,
    onArrival: arrivals.onArrival,
    arrivalTest: createArrivalTest,
    arrivedText,
    arrivalsAfter: arrivals.arrivalsAfter,
    extentSince: (fromMs) => readExtent(client, fromMs, arrivals.head()),
    refreshHead: arrivals.refresh,
    figures: () => ({
      ...inserts.figures(),
      waitingBytes: inserts.waiting(),
      pending: arrivals.pending().inserts,
      oldestPendingMs: arrivals.pending().oldestMs,
      given: arrivals.given(),
      head: arrivals.head(),
      problem: settling.problem(),
    }),
    async close() {
      cancelGone();
      await inserts.close();
      await arrivals.close();
    },
  };
}
