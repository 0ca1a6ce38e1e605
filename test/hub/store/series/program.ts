/** A store that is filled until it is killed: says each second of samples once it should be durable. */
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import { journalEveryMs } from "#src/hub/store/series/port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { retention, subject } from "./rig.ts";

const [folder = ""] = process.argv.slice(2);
const store = await openSeriesStore(folder, {
  clock: systemClock,
  retention,
  warn: (message) => console.error(message),
});
const first = Math.floor(Date.now() / 1000) - 86_400;
let atS = first;
setInterval(() => {
  for (let i = 0; i < 50; i++, atS += 10) store.append("web", atS * 1000, [subject("a")], [atS - first, atS - first]);
  const count = (atS - first) / 10;
  setTimeout(() => console.log(count), journalEveryMs + 100);
}, 20);
