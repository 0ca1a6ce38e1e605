/**
 * `orion hub migrate` without its command line: says each step, then the report. Arguments: folder, both URLs, and
 * `--finish` or not; with a folder behind it, the way back to there.
 */
import { migrateBack, migrateHub } from "#src/hub/migrate.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { systemClock } from "#src/lib/clock.ts";
import { metricsDays } from "./kit/hub.ts";

const [dataDir = "", databaseUrl = "", clickhouseUrl = "", finish, folder] = process.argv.slice(2);
const retention = { logs: { days: 3650, bytes: 1024 ** 3 }, metrics: metricsDays };
const settings = { ...readHubSettings({ dataDir }, {}), retention };
const plan = { databaseUrl, clickhouseUrl, clickhouseCluster: null, finish: finish === "--finish" };
const world = {
  clock: systemClock,
  log: { info: () => undefined, warn: () => undefined },
  signal: new AbortController().signal,
  tell: ({ part, done }: { readonly part: string; readonly done: number }) => console.log(`step ${part} ${done}`),
};
const report =
  folder === undefined
    ? await migrateHub(settings, plan, world)
    : await migrateBack(settings, { ...plan, folder }, world);
console.log(`report ${JSON.stringify(report)}`);
