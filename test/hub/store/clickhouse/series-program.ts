/** A hub that keeps metrics in ClickHouse until it is killed: says how many should be safe by now. */
import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { openClickhouseSeries } from "#src/hub/store/clickhouse/series.ts";
import { journalEveryMs } from "#src/hub/store/series/port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { retention, subject } from "../series/rig.ts";

const [url = "", dataDir = "", from = "0"] = process.argv.slice(2);
const client = await openClickhouse(url, { clock: systemClock, log: { info: () => undefined }, cluster: null });
const store = await openClickhouseSeries({
  client,
  dataDir,
  retention,
  clock: systemClock,
  warn: (message) => console.error(message),
});
const first = Number(from);
let count = 0;
setInterval(() => {
  for (let i = 0; i < 50; i++, count++)
    store.append("web", (first + count * 10) * 1000, [subject("a")], [count, count]);
  const now = count;
  setTimeout(() => console.log(now), journalEveryMs + 200);
}, 20);
