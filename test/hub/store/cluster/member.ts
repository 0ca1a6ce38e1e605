// A hub among others, as a program: joins, strives for the duty "work", and prints what happens as JSON lines. While it
// has the duty it tells of each of its steps, as long as it is a member.
import { systemClock } from "#src/lib/clock.ts";
import { openCluster } from "#src/hub/store/cluster/cluster.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";

const [url = "", times = "{}"] = process.argv.slice(2);
const tell = (what: Record<string, unknown>) => void process.stdout.write(`${JSON.stringify(what)}\n`);
const log = { info: () => undefined, warn: (text: string) => tell({ warn: text }) };

const postgres = await openPostgres(url, { clock: systemClock, log });
const cluster = await openCluster({ postgres, clock: systemClock, log, times: JSON.parse(times) as object });
cluster.onGone((hub) => tell({ gone: hub }));
cluster.onChanges((changes) => tell({ changes: changes?.map(({ kind, id }) => `${kind} ${id}`) ?? null }));
tell({ joined: cluster.hubId() });
let timer: Timer | undefined;
cluster.take("work", {
  begin() {
    tell({ begin: cluster.hubId() });
    timer = setInterval(() => {
      if (cluster.isMember()) tell({ step: Date.now() });
    }, 20);
  },
  end() {
    clearInterval(timer);
    tell({ end: cluster.hubId() });
  },
});

async function leave(): Promise<void> {
  await cluster.close();
  await postgres.close();
  process.exit(0);
}
process.on("SIGTERM", () => void leave());
