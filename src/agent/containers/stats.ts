/**
 * A container's figures from the engine's answer, computed as `docker stats` does (docker/cli,
 * cli/command/container/stats_helpers.go), for cgroup v1 and v2. Pure; whatever is missing or odd is null.
 */
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";

/** What the next answer is compared with; nanoseconds of CPU time. */
export type CpuSample = { readonly total: number; readonly system: number };

export type Figures = {
  readonly [Part in "cpu" | "memory" | "network" | "blockIo"]: Exclude<ContainerStatus[Part], undefined>;
};

/** Of a container that does not run, or did not answer. */
export const noFigures: Figures = {
  cpu: null,
  memory: { usage: null, limit: null },
  network: { rxBytes: null, txBytes: null },
  blockIo: { readBytes: null, writtenBytes: null },
};

/** @param before the sample of an earlier answer; without one the CPU's share is not known yet */
export function readFigures(
  answer: unknown,
  before: CpuSample | undefined,
): { readonly figures: Figures; readonly sample: CpuSample | undefined } {
  const cpu = at(answer, "cpu_stats");
  const total = figure(at(cpu, "cpu_usage", "total_usage"));
  const system = figure(at(cpu, "system_cpu_usage"));
  const sample = total === null || system === null ? undefined : { total, system };
  const figures = {
    cpu: before === undefined || sample === undefined ? null : cpuShare(before, sample, onlineCpus(cpu)),
    memory: readMemory(at(answer, "memory_stats")),
    network: readNetwork(at(answer, "networks")),
    blockIo: readBlockIo(at(answer, "blkio_stats", "io_service_bytes_recursive")),
  };
  return { figures, sample };
}

/** Percent of one core. null when the counters began anew, or nothing has passed. */
function cpuShare(before: CpuSample, now: CpuSample, cpus: number): number | null {
  const used = now.total - before.total;
  const passed = now.system - before.system;
  if (used < 0 || passed <= 0) return null;
  const share = (used / passed) * cpus * 100;
  return Number.isFinite(share) ? Math.round(share * 100) / 100 : null;
}

/** Engines before 17.06 only list the time of each one. */
function onlineCpus(cpu: unknown): number {
  const online = figure(at(cpu, "online_cpus"));
  if (online !== null && online > 0) return online;
  const each = at(cpu, "cpu_usage", "percpu_usage");
  return Array.isArray(each) ? each.length : 0;
}

/** Without the page cache that the kernel would give up first: `total_inactive_file` on v1, `inactive_file` on v2. */
function readMemory(memory: unknown): Figures["memory"] {
  const usage = figure(at(memory, "usage"));
  const limit = figure(at(memory, "limit"));
  if (usage === null) return { usage: null, limit };
  const cache = [at(memory, "stats", "total_inactive_file"), at(memory, "stats", "inactive_file")].map(figure);
  const spare = cache.find((bytes) => bytes !== null && bytes < usage);
  return { usage: usage - (spare ?? 0), limit };
}

function readNetwork(networks: unknown): Figures["network"] {
  const each = typeof networks === "object" && networks !== null ? Object.values(networks) : [];
  return {
    rxBytes: sum(each.map((network) => figure(at(network, "rx_bytes")))),
    txBytes: sum(each.map((network) => figure(at(network, "tx_bytes")))),
  };
}

function readBlockIo(entries: unknown): Figures["blockIo"] {
  const list: readonly unknown[] = Array.isArray(entries) ? entries : [];
  const of = (letter: string): number | null =>
    sum(list.map((entry) => (operationOf(entry) === letter ? figure(at(entry, "value")) : null)));
  return { readBytes: of("r"), writtenBytes: of("w") };
}

/** `Read` on v1, `read` on v2, and others such as `Total`. */
function operationOf(entry: unknown): string | undefined {
  const name = at(entry, "op");
  return typeof name === "string" ? name.slice(0, 1).toLowerCase() : undefined;
}

function sum(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, key)) return undefined;
    found = Reflect.get(found, key);
  }
  return found;
}

function figure(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}
