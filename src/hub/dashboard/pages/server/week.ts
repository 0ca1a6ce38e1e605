/** What the last week of a server tells: what is left of it, where its disk is going, how much of the time it was heard. Pure. */
import type { MetricSeries, MetricsAnswer } from "#src/protocol/metrics.ts";

/** Seconds of each value: peaks are of half hours, so that one busy moment doesn't count as a busy machine. */
export const weekStepSeconds = 1800;
export const weekSeries = [
  "host.cpu,host.memory.used,host.memory.total,host.disk.used,host.disk.total,host.ssh",
  "script.cpu,script.memory,container.cpu,container.memory",
].join(",");

/** Shorter than this nothing is said of where a disk goes, in values. */
const leastTrend = 24;
/** A disk that fills more slowly than in so many days does not fill. */
const farDays = 1000;
/** Below these a script or container takes nothing worth counting: percent of a core, bytes. */
const [leastCpu, leastMemory] = [1, 1024 ** 2];

export type Left = {
  /** of the half hour that took most (CPU), or at any time (memory, disk) */
  readonly peak: number;
  readonly total: number;
};

/** How often something that runs already would fit again. */
export type Fit = { readonly name: string; readonly times: number; readonly scarce: "CPU" | "memory" };

export type Week = {
  /** the part of a week that something is known of, in days */
  readonly days: number;
  /** in cores */
  readonly cpu: Left | null;
  /** in bytes */
  readonly memory: Left | null;
  /** in bytes */
  readonly disk: Left | null;
  /** bytes a day that the disk grows by; null: not known yet */
  readonly diskGrowth: number | null;
  /** until the disk is full at that; null: it doesn't grow, or not so that it matters */
  readonly diskDays: number | null;
  /** most first */
  readonly fits: readonly Fit[];
  /** share of the time since the first report that the agent was heard in, 0 to 1; null: it never was */
  readonly heard: number | null;
};

/** @param cores of the machine; null: not known */
export function weekOf({ series, step, from }: MetricsAnswer, cores: number | null, nowMs: number): Week {
  const named = (name: string) => series.find((one) => one.name === name);
  const cpuSeries = named("host.cpu");
  const cpuPeak = highest(cpuSeries?.values);
  const cpu = cpuPeak === null || cores === null ? null : { peak: (cpuPeak / 100) * cores, total: cores };
  const memory = leftOf(named("host.memory.used"), named("host.memory.total"));
  const disk = leftOf(named("host.disk.used"), named("host.disk.total"));
  const diskNow = named("host.disk.used")?.values.findLast((value) => value !== null) ?? null;
  const growth = growthOf(named("host.disk.used")?.values ?? [], step);
  const diskDays =
    growth === null || growth <= 0 || disk === null || diskNow === null ? null : (disk.total - diskNow) / growth;
  const passed = Math.max(1, Math.ceil((nowMs - Date.parse(from)) / 1000 / step));
  const times = (cpuSeries?.values ?? []).slice(0, passed);
  const first = times.findIndex((value) => value !== null);
  const ssh = named("host.ssh")?.values ?? [];
  const heard = times.filter((value, i) => value !== null && (ssh[i] ?? null) === null).length;
  return {
    days: first < 0 ? 0 : ((times.length - first) * step) / 86_400,
    cpu,
    memory,
    disk,
    diskGrowth: growth,
    diskDays: diskDays !== null && diskDays < farDays ? Math.max(0, diskDays) : null,
    fits: fitsOf(series, cpu, memory),
    heard: first < 0 ? null : heard / (times.length - first),
  };
}

function highest(values: readonly (number | null)[] | undefined): number | null {
  const known = (values ?? []).filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function leftOf(used: MetricSeries | undefined, total: MetricSeries | undefined): Left | null {
  const peak = highest(used?.max ?? used?.values);
  // what there is now: machines are given more
  const whole = total?.values.findLast((value) => value !== null) ?? null;
  return peak === null || whole === null ? null : { peak, total: whole };
}

/**
 * Units a day: the median slope between all pairs of values (Theil-Sen), so that a file that came and went doesn't make
 * a trend. null: too little is known.
 */
export function growthOf(values: readonly (number | null)[], stepSeconds: number): number | null {
  const known = values.flatMap((value, i) => (value === null ? [] : [[i, value] as const]));
  if (known.length < leastTrend) return null;
  const slopes: number[] = [];
  known.forEach(([i, a], n) => {
    for (const [j, b] of known.slice(n + 1)) slopes.push((b - a) / (j - i));
  });
  slopes.sort((a, b) => a - b);
  return ((slopes[slopes.length >> 1] ?? 0) * 86_400) / stepSeconds;
}

function fitsOf(series: readonly MetricSeries[], cpu: Left | null, memory: Left | null): Fit[] {
  if (cpu === null || memory === null) return [];
  const [cores, bytes] = [cpu.total - cpu.peak, memory.total - memory.peak];
  const fits: Fit[] = [];
  for (const kind of ["script", "container"]) {
    for (const { name, subject, values } of series) {
      if (name !== `${kind}.cpu` || subject === null) continue;
      const own = series.find((one) => one.name === `${kind}.memory` && one.subject === subject);
      const takesCpu = Math.max(leastCpu, highest(values) ?? 0) / 100;
      const takesMemory = Math.max(leastMemory, highest(own?.max ?? own?.values) ?? 0);
      const [byCpu, byMemory] = [Math.max(0, cores) / takesCpu, Math.max(0, bytes) / takesMemory];
      fits.push({
        name: subject,
        times: Math.floor(Math.min(byCpu, byMemory) + 1e-9),
        scarce: byCpu < byMemory ? "CPU" : "memory",
      });
    }
  }
  return fits.sort((a, b) => b.times - a.times || (a.name < b.name ? -1 : 1));
}
