/** `orion hub migrate` without its command line: says each step, then the report. Arguments: folder, both URLs, --finish. */
import { migrateHub } from "#src/hub/migrate.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { systemClock } from "#src/lib/clock.ts";

const [dataDir = "", databaseUrl = "", clickhouseUrl = "", finish] = process.argv.slice(2);
const settings = readHubSettings({ dataDir }, {});
const report = await migrateHub(
  settings,
  { databaseUrl, clickhouseUrl, clickhouseCluster: null, finish: finish === "--finish" },
  {
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined },
    signal: new AbortController().signal,
    tell: ({ part, done }) => console.log(`step ${part} ${done}`),
  },
);
console.log(`report ${JSON.stringify(report)}`);
