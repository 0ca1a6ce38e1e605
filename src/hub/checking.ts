/** Whether what a hub keeps is sound, wherever it is, for its own command line. Nothing is changed. */
import type { HubSettings } from "./settings.ts";
import { type SenderNames, readNames } from "./sender-names.ts";
import { openTelemetry } from "./storage.ts";
import type { HubWorld } from "./world.ts";
import { storesOf } from "./whereabouts.ts";
import { type CheckStep, checkData } from "./store/check.ts";
import type { Clickhouse } from "./store/clickhouse/client.ts";
import { checkParts, countParts } from "./store/clickhouse/retention-check.ts";
import { type Stores, livingDatabases } from "./store/whereabouts.ts";

export type HubCheck = {
  /** what is elsewhere; of Postgres nothing is looked at here */
  readonly stores: Stores;
  readonly names: SenderNames;
  readonly steps: AsyncGenerator<CheckStep, void, void>;
};

/** Rejects with a Fault, and so do the steps: `not-found` when there is no hub's data. */
export async function checkHub(
  settings: Pick<HubSettings, "dataDir" | "databaseUrl" | "clickhouseUrl" | "clickhouseCluster">,
  world: HubWorld,
): Promise<HubCheck> {
  const stores = storesOf(settings);
  const names = await readNames(settings, world);

  async function* steps(): AsyncGenerator<CheckStep, void, void> {
    const own = livingDatabases(stores);
    if (own.length > 0) yield* checkData(settings.dataDir, own);
    const clickhouse = await openTelemetry(settings, world, null);
    if (clickhouse === null) return;
    try {
      yield* checkClickhouse(clickhouse);
    } finally {
      await clickhouse.close();
    }
  }

  return { stores, names, steps: steps() };
}

async function* checkClickhouse(client: Clickhouse): AsyncGenerator<CheckStep, void, void> {
  const file = `ClickHouse at ${client.address}`;
  const { parts, bytes } = await countParts(client);
  yield { kind: "begin", file, bytes };
  let done = 0;
  for await (const { problem, ...checked } of checkParts(client)) {
    if (problem !== null) yield { kind: "damage", damage: { kind: "block", file, ...checked, problem } };
    yield { kind: "progress", file, done: ++done, total: Math.max(done, parts) };
  }
}
