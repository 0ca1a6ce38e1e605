/** The last hour of many servers in a few numbers each, for a list of them. */
import type { FleetHistory, ServerHistory } from "#src/protocol/history.ts";
import type { Charts } from "./metrics.ts";

/** Numbers of a server: enough for a line as wide as a word. */
const steps = 30;
const stepS = 120;
/** Reading a server takes 0.2-0.4 ms (measured); what is no older than half a step is good enough. */
const keptMs = 60_000;
/** Time that is read for at once, in milliseconds; then others have their turn. */
const turnMs = 8;

const wanted = "host.cpu,host.memory.used,host.memory.total,host.network.rx,host.network.tx";

export type History = {
  /** Of these servers; one that measured nothing has no entry. */
  readonly of: (ids: readonly string[]) => Promise<FleetHistory>;
  readonly forget: (id: string) => void;
};

export function createHistory(charts: Charts, now: () => number): History {
  const kept = new Map<string, { readonly untilMs: number; readonly history: ServerHistory | null }>();

  function read(id: string, toMs: number): ServerHistory | null {
    const from = new Date(toMs - steps * stepS * 1000).toISOString();
    const { series } = charts.chart(id, { from, to: new Date(toMs).toISOString(), step: stepS, series: wanted });
    const values = (name: string) => series.find((one) => one.name === name)?.values ?? [];
    const [used, total] = [values("host.memory.used"), values("host.memory.total")];
    const [rx, tx] = [values("host.network.rx"), values("host.network.tx")];
    if (series.length === 0) return null;
    return {
      cpu: values("host.cpu").map((value) => rounded(value, 1)),
      memory: used.map((value, i) => shareOf(value, total[i] ?? null)),
      network: rx.map((value, i) => (value === null ? null : rounded(value + (tx[i] ?? 0), 0))),
    };
  }

  return {
    async of(ids) {
      // whole steps, so that all servers' numbers stand for the same stretches
      const toMs = Math.floor(now() / 1000 / stepS + 1) * stepS * 1000;
      const servers: Record<string, ServerHistory> = {};
      let began = performance.now();
      for (const id of ids) {
        let found = kept.get(id);
        if (found === undefined || found.untilMs < now()) {
          found = { untilMs: Math.min(now() + keptMs, toMs), history: read(id, toMs) };
          kept.set(id, found);
        }
        if (found.history !== null) servers[id] = found.history;
        if (performance.now() - began < turnMs) continue;
        await new Promise<void>((resolve) => void setImmediate(resolve));
        began = performance.now();
      }
      return { from: new Date(toMs - steps * stepS * 1000).toISOString(), step: stepS, servers };
    },
    forget: (id) => void kept.delete(id),
  };
}

/** Percent; null when there is nothing to be a share of. */
function shareOf(part: number | null, whole: number | null): number | null {
  return part === null || whole === null || whole === 0 ? null : rounded((part / whole) * 100, 1);
}

function rounded(value: number | null, digits: number): number | null {
  return value === null ? null : Math.round(value * 10 ** digits) / 10 ** digits;
}
