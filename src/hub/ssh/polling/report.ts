/** From two looks at a host to the figures that a heartbeat would have told. Pure. */
import { counterAdvance } from "#src/procfs/counter.ts";
import { cpuShare } from "#src/procfs/cpu-share.ts";
import { percent } from "#src/procfs/percent.ts";
import { type TrafficRates, trafficRates, trafficTotals } from "#src/procfs/traffic.ts";
import type { ContainerStatus, Heartbeat, SystemMetrics } from "#src/protocol/heartbeat.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import type { Counters, Look, SeenContainer, SeenDocker } from "./look.ts";

/** What the agent said last; only sums of the network can be gone on from. */
export type LastBeat = Pick<Heartbeat, "at"> & { readonly system: Pick<SystemMetrics, "network" | "uptime"> };

export type Before = {
  /** the look before, if there was one since the agent fell silent */
  readonly look: Look | undefined;
  readonly beat: LastBeat | undefined;
};

/** How far the hub's clock and the host's may drift apart and still tell that it was not booted in between. */
const sameBootWithinS = 10;

/** @param atMs when the look came in, by the hub's clock */
export function reportOf(look: Look, before: Before, atMs: number): PolledReport {
  // a host that was booted since has begun again with all counters
  const previous = before.look !== undefined && follows(look.counters, before.look.counters) ? before.look : undefined;
  const from = previous?.counters ?? look.earlier;
  const { memory, load, disk } = look;
  return {
    at: new Date(atMs).toISOString(),
    hostname: look.hostname,
    system: {
      cpu: cpuOf(from, look.counters),
      memory:
        memory === undefined
          ? { total: null, used: null, available: null, usage: null }
          : { ...memory, usage: percent((memory.used / memory.total) * 100) },
      disk: disk ?? { path: "/", total: null, used: null, usage: null },
      network: networkOf(look, from, previous === undefined ? before.beat : undefined, atMs),
      load: load === undefined ? null : [...load],
      uptime: look.counters.uptime,
    },
    docker: dockerOf(look.docker),
    containers: containersOf(look, previous),
  };
}

const follows = (now: Counters, before: Counters): boolean => now.uptime > before.uptime;

function cpuOf(before: Counters | undefined, { stat }: Counters): SystemMetrics["cpu"] {
  if (stat === undefined) return { usage: null, cores: null };
  const share = before?.stat === undefined ? "went-back" : cpuShare(before.stat.cpu, stat.cpu);
  return {
    usage: typeof share === "string" ? null : percent(share.percent),
    cores: stat.cores === 0 ? null : stat.cores,
  };
}

function networkOf(
  { counters, counted }: Look,
  before: Counters | undefined,
  beat: LastBeat | undefined,
  atMs: number,
): SystemMetrics["network"] {
  const { traffic } = counters;
  if (traffic === undefined || counted.length === 0) {
    return { rxBytes: null, txBytes: null, rxRate: null, txRate: null };
  }
  const totals = trafficTotals(traffic, counted);
  const rates: TrafficRates =
    ratesSince(beat, counters.uptime, totals, atMs) ??
    (before?.traffic === undefined
      ? { rxRate: null, txRate: null }
      : trafficRates(before.traffic, traffic, counted, counters.uptime - before.uptime));
  return { ...totals, ...rates };
}

/**
 * Rates since the agent's last heartbeat, so that what passed while nobody looked is counted; undefined when the host
 * was booted in between, or is not the one that the agent was on.
 */
function ratesSince(
  beat: LastBeat | undefined,
  uptime: number,
  totals: { readonly rxBytes: number; readonly txBytes: number },
  atMs: number,
): TrafficRates | undefined {
  if (beat === undefined || beat.system.uptime === null) return undefined;
  const seconds = uptime - beat.system.uptime;
  const passed = (atMs - Date.parse(beat.at)) / 1000;
  if (!(seconds > 0) || Math.abs(seconds - passed) > sameBootWithinS) return undefined;
  const rate = (from: number | null, to: number): number | null => {
    const advance = from === null ? undefined : counterAdvance(from, to, seconds);
    return advance === undefined ? null : Math.round(advance / seconds);
  };
  const { rxBytes, txBytes } = beat.system.network;
  return { rxRate: rate(rxBytes, totals.rxBytes), txRate: rate(txBytes, totals.txBytes) };
}

function dockerOf(docker: SeenDocker): PolledReport["docker"] {
  if (docker.kind === "listed") return { available: true, error: null };
  return { available: false, error: docker.kind === "refused" ? docker.why : null };
}

function containersOf({ docker, memory }: Look, previous: Look | undefined): ContainerStatus[] {
  if (docker.kind !== "listed") return [];
  const before = new Map(
    previous?.docker.kind === "listed" ? previous.docker.containers.map((one) => [one.container.id, one]) : [],
  );
  return docker.containers.map((one) => statusOf(one, before.get(one.container.id), memory?.total ?? null));
}

function statusOf(seen: SeenContainer, before: SeenContainer | undefined, hostMemory: number | null): ContainerStatus {
  const { id, name, image, state, health, restartCount, startedAt, source } = seen.container;
  const { memory, memoryLimit, readBytes, writtenBytes } = seen.figures;
  // "as much as there is" is a huge number on v1 and a word on v2
  const limit = memory === null ? null : Math.min(memoryLimit ?? Infinity, hostMemory ?? Infinity);
  return {
    id,
    name,
    image,
    state,
    health,
    restartCount,
    startedAt,
    cpu: shareOf(seen, before),
    memory: { usage: memory, limit: limit === Infinity ? null : limit },
    network: seen.network,
    blockIo: { readBytes, writtenBytes },
    source,
  };
}

/** Percent of one core, as `docker stats` counts. null when it was started anew since. */
function shareOf(now: SeenContainer, before: SeenContainer | undefined): number | null {
  if (before === undefined || before.container.startedAt !== now.container.startedAt) return null;
  const [used, seconds] = [
    (now.figures.cpuNs ?? Number.NaN) - (before.figures.cpuNs ?? Number.NaN),
    (now.uptime ?? Number.NaN) - (before.uptime ?? Number.NaN),
  ];
  return used >= 0 && seconds > 0 ? Math.round((used / 1e9 / seconds) * 1e4) / 100 : null;
}
