/**
 * Records that were lost or torn, made anew from the marks that the processes of each run carry: without them a script
 * that still runs would be started a second time.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import type { Script } from "#src/protocol/scripts.ts";

import type { ProcessStat, Processes } from "./processes.ts";
import { type ScriptRecord, definitionHash } from "./state.ts";

/** A record for each of `scripts` that has a process of this `instance` left; it counts as started now. */
export function rebuildRecords(
  processes: Processes,
  instance: string,
  scripts: readonly Script[],
  clock: Clock,
): ScriptRecord[] {
  if (scripts.length === 0) return [];
  const leaders = findLeaders(processes, instance);
  return scripts.flatMap((script) => {
    const leader = leaders.get(script.name);
    if (leader === undefined) return [];
    const { pid, startTicks, runId } = leader;
    const now = timestamp(clock.now());
    const run = { id: runId, pid, startTicks, startedAt: now, cgroup: null, memoryKillsBefore: 0 };
    return [
      {
        format: 1 as const,
        name: script.name,
        state: "running" as const,
        wanted: "up" as const,
        bootId: processes.bootId() ?? null,
        run,
        crashes: 0,
        restarts: 0,
        nextRestartAt: null,
        lastExit: null,
        captured: script.captureOutput,
        kill: { signal: script.killSignal, timeoutMs: script.killTimeout },
        definition: definitionHash(script),
      },
    ];
  });
}

type Leader = ProcessStat & { readonly runId: string };

/** The oldest session leader of each script; what descends from it can have made sessions of its own. */
function findLeaders(processes: Processes, instance: string): Map<string, Leader> {
  const leaders = new Map<string, Leader>();
  for (const stat of processes.all()) {
    if (stat.session !== stat.pid) continue;
    const runId = processes.variable(stat.pid, "ORION_RUN");
    const script = processes.variable(stat.pid, "ORION_SCRIPT");
    if (script === undefined || runId?.startsWith(`${instance}.`) !== true) continue;
    const other = leaders.get(script);
    if (other === undefined || stat.startTicks < other.startTicks) leaders.set(script, { ...stat, runId });
  }
  return leaders;
}
