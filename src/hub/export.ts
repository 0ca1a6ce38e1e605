/** Log lines as NDJSON, out of the files of a hub that runs or does not, or out of ClickHouse. */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { Fault } from "#src/protocol/fault.ts";
import { selectionOf } from "./api/routes/log-selection.ts";
import { readNames } from "./sender-names.ts";
import type { HubSettings } from "./settings.ts";
import { openTelemetry } from "./storage.ts";
import type { HubWorld } from "./world.ts";
import { type Whereabouts, storesOf } from "./whereabouts.ts";
import { createClickhouseReading } from "./store/clickhouse/search/search.ts";
import { exportLines } from "./store/search/export.ts";
import { type Searching, createSearching } from "./store/search/search.ts";

export type ExportWish = {
  /** RFC 3339; from <= at < to */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** name of a source, as entries have it */
  readonly source: string | undefined;
  /** hostname or id */
  readonly server: string | undefined;
  /** in the query language, which is valid */
  readonly query: string | undefined;
};

/**
 * What is asked for, oldest first, in pieces of whole lines; the store goes on meanwhile. `onDamaged` hears of blocks that
 * are left out because they are damaged. Rejects with a Fault `not-found` when there are no logs, or no such server.
 */
export async function* exportLogs(
  settings: Whereabouts & Pick<HubSettings, "clickhouseCluster">,
  { server, ...wish }: ExportWish,
  world: HubWorld & { readonly onDamaged: () => void; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, void, void> {
  storesOf(settings);
  await using searching = await openSearching(settings, world);
  const names = await readNames(settings, world);
  const ids = server === undefined ? null : names.idsOf(server);
  if (ids?.length === 0) {
    throw new Fault("not-found", `the hub has no server or source "${server}"`, {
      hint: "Name one by its hostname or id, as orion server list shows it",
    });
  }
  const asked = { q: wish.query, source: wish.source, from: wish.from, to: wish.to };
  const selection = { ...selectionOf(asked, null, () => names.servers), servers: ids };
  yield* exportLines(searching, selection, world.signal, world.onDamaged);
}

/** Opens the logs to read them, beside whoever writes them. */
async function openSearching(
  settings: Whereabouts & Pick<HubSettings, "clickhouseCluster">,
  world: HubWorld,
): Promise<Searching & AsyncDisposable> {
  const { dataDir, clickhouseUrl, clickhouseCluster } = settings;
  const file = join(dataDir, "logs.db");
  // that it answers is asked first: what threads say of it comes late
  const clickhouse = await openTelemetry(settings, world, null);
  if (clickhouse === null && !existsSync(file)) {
    throw new Fault("not-found", `there are no logs of a hub in ${dataDir}`, {
      hint: "Name the hub's folder with --data-dir",
    });
  }
  await clickhouse?.close();
  const searching =
    clickhouseUrl === null
      ? createSearching(file)
      : createClickhouseReading({ url: clickhouseUrl, cluster: clickhouseCluster });
  return { ...searching, [Symbol.asyncDispose]: async () => searching.close() };
}
