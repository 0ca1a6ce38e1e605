/** Two hubs on one Postgres and one ClickHouse, and streams of them that are read as they come. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

import { keep } from "#src/lib/keep.ts";
import type { HubSettings } from "#src/hub/settings.ts";
import { sharedClickhouse } from "#test/kit/clickhouse.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type TestDatabase, freshDatabase } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

import { type Sent, type TestHub, type TestHubOptions, metricsDays, readEvents, startHub } from "./kit/hub.ts";
import type { Client } from "./kit/people.ts";

/** What all hubs of one database are started with. */
export type SharedPlace = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly settings: Pick<HubSettings, "databaseUrl" | "clickhouseUrl" | "secretFile">;
  /** beside the hubs' data folders */
  readonly folder: Folder;
};

/** Empty databases, and a secret. */
export async function sharedPlace(): Promise<SharedPlace> {
  const folder = temporaryFolder("orion-shared-");
  const secretFile = folder.at("secret");
  writeFileSync(secretFile, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const [database, clickhouse] = await Promise.all([freshDatabase(), sharedClickhouse()]);
  return {
    folder,
    database,
    settings: { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase(), secretFile },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A hub of that place, with a data folder of its own. */
export async function startShared(
  { settings }: Pick<SharedPlace, "settings">,
  options: TestHubOptions = {},
): Promise<TestHub> {
  return await startHub({ ...options, settings: { ...settings, ...options.settings } });
}

/** Lines and metrics as hubs keep them by default, for what is of today. */
export const keptAsUsual = { logs: { days: 14, bytes: 1024 ** 3 }, metrics: metricsDays };

/** A stream of server-sent events, read from its opening on. */
export type Followed = AsyncDisposable & {
  readonly status: number;
  readonly sent: readonly Sent[];
  /** Resolves when the hub has ended it. */
  readonly over: Promise<void>;
  /** The first that `find` takes. */
  sees(find: (sent: Sent) => boolean, what: string): Promise<Sent>;
};

/** Opens one, and reads it until it is disposed of. */
export async function follow(client: Client, path: string, headers: Record<string, string> = {}): Promise<Followed> {
  const stop = new AbortController();
  const response = await client.fetch(path, { headers, signal: stop.signal });
  const sent: Sent[] = [];
  async function read(): Promise<void> {
    try {
      for await (const one of readEvents(response)) sent.push(one);
    } catch (error) {
      // the reader's own end
      if (!stop.signal.aborted) throw error;
    }
  }
  const over = read();
  keep(over, () => undefined);
  return {
    status: response.status,
    sent,
    over,
    sees: async (find, what) => await until(() => sent.find(find), what),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await over;
    },
  };
}
