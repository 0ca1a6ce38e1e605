/** CPU and memory of a whole process tree between two looks. */
import type { ProcessStat, Processes } from "./processes.ts";

export type Usage = { readonly cpuPercent: number | null; readonly memoryBytes: number | null };

export const unknownUsage: Usage = { cpuPercent: null, memoryBytes: null };

/** Below this the 10 ms ticks of the kernel would make steps of more than 1 %. */
const shortestSpanMs = 1_000;

/** Turns what a tree has used so far into what it uses. */
export type UsageMeter = { read(members: readonly ProcessStat[], nowMs: number): Usage };

/** A meter for one run that began at `startedMs` of the monotonic clock. */
export function createUsageMeter(
  units: Pick<Processes, "pageSizeBytes" | "ticksPerSecond">,
  startedMs: number,
): UsageMeter {
  let before = new Map<string, number>();
  let beforeMs = startedMs;
  let cpuPercent: number | null = null;
  return {
    read(members, nowMs) {
      let pages = 0;
      let ticks = 0;
      const now = new Map<string, number>();
      for (const stat of members) {
        const key = `${stat.pid}/${stat.startTicks}`;
        pages += stat.rssPages;
        now.set(key, stat.cpuTicks);
        // a process that is new began at zero
        ticks += Math.max(0, stat.cpuTicks - (before.get(key) ?? 0));
      }
      const spanMs = nowMs - beforeMs;
      if (spanMs >= shortestSpanMs) {
        cpuPercent = Math.round((ticks / units.ticksPerSecond / (spanMs / 1000)) * 1000) / 10;
        before = now;
        beforeMs = nowMs;
      }
      return { cpuPercent, memoryBytes: pages * units.pageSizeBytes };
    },
  };
}
