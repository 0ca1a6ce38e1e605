/** Where logs are kept, by the hub's settings: in blocks in its data folder, or in ClickHouse. */
import { reasonOf } from "#src/protocol/fault.ts";
import type { StoreFigures } from "./metrics/own.ts";
import type { Rooms } from "./rooms.ts";
import type { HubWorld } from "./world.ts";
import type { HubSettings } from "./settings.ts";
import type { Clickhouse } from "./store/clickhouse/client.ts";
import { openSqliteLedger, postgresLedger } from "./store/clickhouse/ledger-databases.ts";
import type { LogFigures } from "./store/clickhouse/intake.ts";
import { openClickhouseLogs } from "./store/clickhouse/logs.ts";
import type { BlockStore } from "./store/log-port.ts";
import { openBlockStore } from "./store/search/store.ts";

export type Telemetry = {
  readonly logs: BlockStore;
  /** whether log lines are on the disk of the hub's data */
  readonly linesOnDisk: boolean;
  /** Learns where the log ends: `logs.head()` is that or later when it resolves. */
  readonly refreshHead: () => Promise<unknown>;
  /** What it tells of itself. */
  readonly told: () => StoreFigures;
  /** Why lines can't be taken now; null: they are. */
  readonly problem: () => string | null;
};

/** Opens the store of log entries; what closes it again goes to `ends`. Rejects with a Fault. */
export async function openLogs(
  settings: Pick<HubSettings, "dataDir" | "retention">,
  clickhouse: Clickhouse | null,
  { cluster, postgres }: Pick<Rooms, "cluster" | "postgres">,
  { clock, log }: HubWorld,
  ends: (() => void | Promise<void>)[],
): Promise<Telemetry> {
  const { dataDir, retention } = settings;
  const tell = (message: string) => log.info(message);
  if (clickhouse === null) {
    const failed = (error: unknown) =>
      log.warn(`the log store's background work failed, it is tried again: ${reasonOf(error)}`);
    const logs = await openBlockStore(dataDir, clock, failed, tell);
    ends.push(() => logs.close());
    return {
      logs,
      linesOnDisk: true,
      refreshHead: async () => undefined,
      told: () => ({}),
      problem: () => null,
    };
  }
  const own = postgres === null ? await openSqliteLedger(dataDir, tell) : undefined;
  if (own !== undefined) ends.push(own.close);
  const ledger = own ?? (postgres === null ? undefined : postgresLedger(postgres.queries()));
  if (ledger === undefined) throw new Error("a ledger lies in Postgres or in a file");
  const logs = await openClickhouseLogs({ client: clickhouse, ledger, cluster, clock, log, days: retention.logs.days });
  ends.push(() => logs.close());
  return {
    logs,
    linesOnDisk: false,
    refreshHead: logs.refreshHead,
    told: () => toldOf(logs.figures()),
    problem: () => logs.figures().problem,
  };
}

/** What a store of logs in ClickHouse knows of itself, as it is told. */
function toldOf(figures: LogFigures): StoreFigures {
  const { waitingBytes, inFlight, pending, oldestPendingMs, given, head, problem, refused, ledger, clickhouse } =
    figures;
  return {
    up: { clickhouse: problem === null },
    queues: {
      logs: { bytes: waitingBytes },
      "log-inserts": { items: inFlight },
      "log-inserts-of-all-hubs": { items: pending, oldestMs: oldestPendingMs },
    },
    writes: [
      { store: "ledger", what: "logs", latencies: ledger },
      { store: "clickhouse", what: "logs", latencies: clickhouse },
    ],
    refused: { "log-deliveries": refused },
    logs: { head: given, safeHead: head },
  };
}
