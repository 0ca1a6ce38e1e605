/** Moving hubs in tests: the command without its command line, and what people see of a hub. */
import { type MigrationPlan, type MigrationReport, migrateBack, migrateHub } from "#src/hub/migrate.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import { type TestHub, allEntries, metricsDays } from "#test/hub/kit/hub.ts";

export const quiet = { info: () => undefined, warn: () => undefined };

/** Entries of tests are of a fixed day. */
export const settings = { retention: { logs: { days: 3650, bytes: 1024 ** 3 }, metrics: metricsDays } };

/** Of the metrics that are compared. */
const span = { from: timestamp(Date.now() - 3 * 3_600_000), to: timestamp(Date.now()), step: "60" };

/** What people see of a hub that has just been started. */
export async function answersOf(hub: TestHub) {
  const { servers } = await hub.json<{ servers: { id: string }[] }>("/api/servers");
  const query = new URLSearchParams(span).toString();
  return {
    servers,
    logs: await allEntries(hub),
    events: await hub.json("/api/events?type=script.crashed"),
    errors: await hub.json<{ groups: unknown[] }>("/api/errors"),
    metrics: await Promise.all(servers.map(({ id }) => hub.json(`/api/servers/${id}/metrics?${query}`))),
  };
}

const world = { clock: systemClock, log: quiet, signal: new AbortController().signal, tell: () => undefined };

export async function bringBack(
  dataDir: string,
  folder: string,
  plan: Pick<MigrationPlan, "databaseUrl" | "clickhouseUrl" | "finish">,
) {
  return await migrateBack(
    { ...readHubSettings({ dataDir }, {}), ...settings },
    { clickhouseCluster: null, ...plan, folder },
    world,
  );
}

export async function migrate(
  dataDir: string,
  plan: Pick<MigrationPlan, "databaseUrl"> & Partial<MigrationPlan>,
): Promise<MigrationReport> {
  return await migrateHub(
    { ...readHubSettings({ dataDir }, {}), ...settings },
    { clickhouseUrl: null, clickhouseCluster: null, finish: false, ...plan },
    world,
  );
}
