/**
 * A hub as a process of its own, to be killed: `bun hub-process.ts DATA_DIR [PORT] [HOSTNAME]`. Prints one JSON line
 * with its url, the server that it registered and an API key, then serves until SIGTERM. Where it keeps its data the
 * environment may say, as it may to a real hub (ORION_HUB_DATABASE_URL, …).
 */
import { createHub } from "#src/hub/hub.ts";
import { readHubSettings } from "#src/hub/settings.ts";
import { systemClock } from "#src/lib/clock.ts";
import { takeOver } from "./hub.ts";

const [dataDir = "", port = "0", hostname = "web-1"] = process.argv.slice(2);
const say = (message: string) => void process.stderr.write(`${message}\n`);
const env = { ...process.env, ORION_HUB_RETENTION_LOGS_DAYS: "36500" };
const hub = createHub(readHubSettings({ port, dataDir }, env), {
  clock: systemClock,
  log: { debug: () => undefined, info: () => undefined, warn: say, error: say },
});
const { url } = await hub.start();
const apiKey = await takeOver(hub.operator);
process.stdout.write(`${JSON.stringify({ url, apiKey, ...(await hub.register(hostname)) })}\n`);
process.once("SIGTERM", () => void hub.stop().then(() => process.exit(0)));
