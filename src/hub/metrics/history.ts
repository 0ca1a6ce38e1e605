/** The last hour of many servers in a few numbers each, for a list of them. */
import type { FleetHistory, ServerHistory } from "#src/protocol/history.ts";
import type { Chart, Charts } from "./metrics.ts";

/** Numbers of a server: enough for a line as wide as a word. */
const steps = 30;
const stepS = 120;
/**
 * What is no older than half a step is good enough: reading a server takes 0.2-0.4 ms of SQLite, or its share of a query
 * of many (measured). It runs out by time alone, so that what came in at another hub shows as soon as what came in here.
 */
const keptMs = 60_000;
/** Servers that are read in one query. */
const atOnce = 100;

const wanted = "host.cpu,host.memory.used,host.memory.total,host.network.rx,host.network.tx";

export type History = {
  /** Of these servers; one that measured nothing has no entry. */
  readonly of: (ids: readonly string[]) => Promise<FleetHistory>;
  readonly forget: (id: string) => void;
};

export function createHistory({ charts }: Pick<Charts, "charts">, now: () => number): History {
  const kept = new Map<string, { readonly untilMs: number; readonly history: ServerHistory | null }>();
  // one after the other: the second of two that ask at once finds what the first has read
  let turn: Promise<unknown> = Promise.resolve();

  async function readMissing(ids: readonly string[], toMs: number): Promise<void> {
    const missing = ids.filter((id) => (kept.get(id)?.untilMs ?? -Infinity) < now());
    const from = new Date(toMs - steps * stepS * 1000).toISOString();
    const query = { from, to: new Date(toMs).toISOString(), step: stepS, series: wanted };
    for (let i = 0; i < missing.length; i += atOnce) {
      const some = missing.slice(i, i + atOnce);
      const found = await charts(some, query);
      const untilMs = Math.min(now() + keptMs, toMs);
      for (const id of some) kept.set(id, { untilMs, history: historyOf(found.get(id)) });
    }
  }

  return {
    async of(ids) {
      // whole steps, so that all servers' numbers stand for the same stretches
      const toMs = Math.floor(now() / 1000 / stepS + 1) * stepS * 1000;
      const reading = turn.then(() => readMissing(ids, toMs));
      turn = reading.catch(() => {
        // whoever asked is told; the next one tries again
      });
      await reading;
      const servers: Record<string, ServerHistory> = {};
      for (const id of ids) {
        const history = kept.get(id)?.history ?? null;
        if (history !== null) servers[id] = history;
      }
      return { from: new Date(toMs - steps * stepS * 1000).toISOString(), step: stepS, servers };
    },
    forget: (id) => void kept.delete(id),
  };
}

function historyOf(chart: Chart | undefined): ServerHistory | null {
  if (chart === undefined || chart.series.length === 0) return null;
  const values = (name: string) => chart.series.find((one) => one.name === name)?.values ?? [];
  const [used, total] = [values("host.memory.used"), values("host.memory.total")];
  const [rx, tx] = [values("host.network.rx"), values("host.network.tx")];
  return {
    cpu: values("host.cpu").map((value) => rounded(value, 1)),
    memory: used.map((value, i) => shareOf(value, total[i] ?? null)),
    network: rx.map((value, i) => (value === null ? null : rounded(value + (tx[i] ?? 0), 0))),
  };
}

/** Percent; null when there is nothing to be a share of. */
function shareOf(part: number | null, whole: number | null): number | null {
  return part === null || whole === null || whole === 0 ? null : rounded((part / whole) * 100, 1);
}

function rounded(value: number | null, digits: number): number | null {
  return value === null ? null : Math.round(value * 10 ** digits) / 10 ** digits;
}
