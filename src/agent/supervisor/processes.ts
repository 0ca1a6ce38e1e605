/** Looks at the processes of this machine through procfs. A process that ended while it was read is simply not there. */
import { readFileSync, readdirSync } from "node:fs";

import { parseAuxv } from "#src/procfs/auxv.ts";
import { parseBootId } from "#src/procfs/boot-id.ts";
import { type ProcessStat, parseProcessStat } from "#src/procfs/process.ts";

export type { ProcessStat } from "#src/procfs/process.ts";

/** A process that is named for ever: pids are used again, start times within one boot are not. */
export type ProcessName = { readonly pid: number; readonly startTicks: number };

export type Processes = {
  read(pid: number): ProcessStat | undefined;
  /** the pids there are now */
  pids(): readonly number[];
  all(): readonly ProcessStat[];
  /** Whether the process was started with `NAME=value` in its environment. false also when that can't be read. */
  carries(pid: number, mark: string): boolean;
  /** The value of a variable in the environment that the process was started with. */
  variable(pid: number, name: string): string | undefined;
  /** undefined when the kernel tells none: then nothing that an earlier daemon left is believed */
  bootId(): string | undefined;
  readonly pageSizeBytes: number;
  readonly ticksPerSecond: number;
};

/** Processes below `procPath`: the procfs of the namespace that scripts run in, so `/proc`, not a host's. */
export function openProcesses(procPath: string): Processes {
  const units = readUnits(procPath);
  const read = (pid: number): ProcessStat | undefined => {
    const text = readText(`${procPath}/${pid}/stat`);
    return text === undefined ? undefined : parseProcessStat(text);
  };
  const pids = (): number[] => {
    const found: number[] = [];
    for (const name of readdirSync(procPath)) {
      const first = name.charCodeAt(0);
      if (first >= 48 && first <= 57) found.push(Number(name));
    }
    return found;
  };
  return {
    ...units,
    read,
    pids,
    all() {
      const found: ProcessStat[] = [];
      for (const pid of pids()) {
        const stat = read(pid);
        if (stat !== undefined) found.push(stat);
      }
      return found;
    },
    carries(pid, mark) {
      const text = readText(`${procPath}/${pid}/environ`);
      return text !== undefined && `\0${text}`.includes(`\0${mark}\0`);
    },
    variable(pid, name) {
      const lines = readText(`${procPath}/${pid}/environ`)?.split("\0") ?? [];
      return lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
    },
    bootId() {
      const text = readText(`${procPath}/sys/kernel/random/boot_id`);
      return text === undefined ? undefined : parseBootId(text);
    },
  };
}

/** Whether a process is there and not merely a dead one that its parent has not waited for. */
export function isAlive(stat: ProcessStat | undefined): stat is ProcessStat {
  return stat !== undefined && stat.state !== "Z" && stat.state !== "X";
}

/** What every Linux on x64 has, and arm64 with few exceptions; used when procfs hides auxv. */
const usualUnits = { pageSizeBytes: 4096, ticksPerSecond: 100 };

function readUnits(procPath: string): { readonly pageSizeBytes: number; readonly ticksPerSecond: number } {
  try {
    return parseAuxv(readFileSync(`${procPath}/self/auxv`)) ?? usualUnits;
  } catch {
    // hidden by a container's rules: the figures of memory and CPU are then off on machines with large pages only
    return usualUnits;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // ENOENT and ESRCH: it ended; EACCES: it is somebody else's. Neither is a process of ours that we could handle
    return undefined;
  }
}
