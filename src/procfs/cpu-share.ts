/** How busy the CPUs were between two readings. */
import type { CpuTicks } from "./stat.ts";

/**
 * Fewer ticks than this say little: one tick would be more than 10 %. On two CPUs they are 50 ms.
 */
export const minShareTicks = 10;

/** `percent` 0-100 of all CPUs; `too-soon`: the later reading follows too closely; `went-back`: the counters restarted. */
export type CpuShare = { readonly percent: number } | "too-soon" | "went-back";

/**
 * The busy share of the time between two readings: everything but idle and iowait, as proc_stat(5) names them. Steal is
 * busy: work was there, and the machine could not run it. Single counters may go back a little (iowait is documented to,
 * idle does when a CPU goes offline); they count as unchanged.
 */
export function cpuShare(before: CpuTicks, after: CpuTicks): CpuShare {
  if (sum(after) < sum(before)) return "went-back";
  const idle = advance(before.idle, after.idle) + advance(before.iowait, after.iowait);
  const busy =
    advance(before.user, after.user) +
    advance(before.nice, after.nice) +
    advance(before.system, after.system) +
    advance(before.irq, after.irq) +
    advance(before.softirq, after.softirq) +
    advance(before.steal, after.steal);
  if (idle + busy < minShareTicks) return "too-soon";
  return { percent: (busy / (idle + busy)) * 100 };
}

const advance = (before: number, after: number) => Math.max(0, after - before);

function sum(ticks: CpuTicks): number {
  return ticks.user + ticks.nice + ticks.system + ticks.idle + ticks.iowait + ticks.irq + ticks.softirq + ticks.steal;
}
