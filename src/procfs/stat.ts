/** `/proc/stat`: time of all CPUs since boot, and how many are online. See proc_stat(5). */
import { parseCount, words } from "./text.ts";

/**
 * Clock ticks of all CPUs together since boot. `guest` and `guest_nice` are left out: the kernel counts them in `user`
 * and `nice` already. Fields that an old kernel does not have are 0 (iowait, irq, softirq: before 2.6; steal: before
 * 2.6.11).
 */
export type CpuTicks = {
  readonly user: number;
  readonly nice: number;
  readonly system: number;
  readonly idle: number;
  readonly iowait: number;
  readonly irq: number;
  readonly softirq: number;
  readonly steal: number;
};

export type Stat = {
  readonly cpu: CpuTicks;
  /** CPUs that are online; the file has a line for each of these only. 0 when it has none. */
  readonly cores: number;
};

/** Parses `/proc/stat`; undefined when its first line is not the sum of all CPUs. */
export function parseStat(text: string): Stat | undefined {
  const end = text.indexOf("\n");
  const [label, ...fields] = words(end === -1 ? text : text.slice(0, end));
  if (label !== "cpu") return undefined;
  const ticks = fields.slice(0, 8).map(parseCount);
  if (ticks.length < 4 || ticks.includes(undefined)) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = ticks;
  return { cpu: { user, nice, system, idle, iowait, irq, softirq, steal }, cores: countCores(text, end) };
}

/** The `cpuN` lines follow the first without a gap; what comes after them can be long and is not looked at. */
function countCores(text: string, from: number): number {
  let cores = 0;
  for (let line = from; line !== -1 && text.startsWith("\ncpu", line); line = text.indexOf("\n", line + 1)) cores++;
  return cores;
}
