/**
 * What one daemon leaves for the next: `<runDir>/handover.json`. Its existence also says that a new program is on
 * probation: whoever ends the probation, well or badly, removes or rewrites it.
 */
import { readFileSync } from "node:fs";

import { removeIfThere, writeFileAtomic } from "#src/lib/files.ts";
import { type ProcessStat, parseProcessStat } from "#src/procfs/process.ts";
import { z } from "#src/protocol/schema.ts";

const count = z.number().check(z.nonnegative(), z.multipleOf(1));

const handover = z.object({
  format: z.literal(1),
  /**
   * `under-way`: the process is being replaced, or its successor has not said yet that it serves;
   * `probation`: it serves, but has not run for long; `rolled-back`: it failed, and the program before is in place again
   */
  state: z.enum(["under-way", "probation", "rolled-back"]),
  /** the process that is replaced in place: pid and start time stay the same */
  pid: count,
  startTicks: count,
  /** the version that hands over, and the one that takes over as far as it is known */
  from: z.string(),
  to: z.string(),
  /** descriptors that stay open across execve(2): of the lock, and of pipes whose content would be forgotten */
  lock: z.nullable(count),
  pipes: z.array(count),
  /** the process that watches the probation; null when the program is the same as before */
  guard: z.nullable(count),
  /** a signal to stop that came too late for the one who was asked */
  stop: z.nullable(z.string()),
  /** what a signal after that has changed: see execute.ts */
  umask: z._default(z.nullable(z.object({ own: count, unmarked: count })), null),
  /** why it was rolled back */
  why: z.nullable(z.string()),
});
export type Handover = z.infer<typeof handover>;

const pathOf = (runDir: string): string => `${runDir}/handover.json`;

/** Reads what lies in `runDir`; undefined when there is nothing that can be understood. */
export function readHandover(runDir: string): Handover | undefined {
  try {
    const checked = z.core.safeParse(handover, JSON.parse(readFileSync(pathOf(runDir), "utf8")));
    return checked.success ? checked.data : undefined;
  } catch {
    // ENOENT as a rule; a torn file can't be, and would only mean that nothing was handed over
    return undefined;
  }
}

/** @throws the system's error */
export function writeHandover(runDir: string, content: Handover): void {
  writeFileAtomic(pathOf(runDir), JSON.stringify(content));
}

export function removeHandover(runDir: string): void {
  removeIfThere(pathOf(runDir));
}

/** Whether the process that a handover names is there, and not merely a dead one that nobody has waited for. */
export function runs({ pid, startTicks }: Pick<Handover, "pid" | "startTicks">): boolean {
  const stat = statOf(pid);
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== "Z" && stat.state !== "X";
}

/** The start time of a process in clock ticks after boot (field 22 of proc_pid_stat(5)); undefined when it is gone. */
export function startTicksOf(pid: number): number | undefined {
  return statOf(pid)?.startTicks;
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // it ended
    return undefined;
  }
}
