/**
 * A control group for each script: it limits memory, counts what the kernel killed for memory, and knows every process
 * of the script. Without the right to make groups scripts run without them.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

import type { CgroupPlace } from "./cgroup-place.ts";

export type Cgroup = {
  /** the group's folder */
  readonly path: string;
  readonly processes: () => readonly number[];
  /** How often the kernel has killed a process of the group for memory; undefined when it does not count (before 4.13). */
  readonly memoryKills: () => number | undefined;
  /** Kills all at once where the kernel can (v2 since 5.14); no failure otherwise: callers look and kill one by one. */
  readonly kill: () => void;
  /** Removes the group if nothing is in it. @returns whether it is gone */
  readonly remove: () => boolean;
};

/** A group, or why there is none. */
export type CgroupResult =
  { readonly kind: "made"; readonly cgroup: Cgroup } | { readonly kind: "refused"; readonly why: string };

export type Cgroups = {
  /** The group of a script, made if need be, limited to `memoryMaxBytes` of memory, or unlimited. */
  make(script: string, memoryMaxBytes: number | undefined): CgroupResult;
  /** The group that an earlier daemon made, if it is still there. */
  find(path: string): Cgroup | undefined;
  /** Removes all groups in which nothing is left. */
  close(): Promise<void>;
};

/** A fifth of a second in all: a group that stays is empty, costs nothing and is used again. */
const closeTries = 10;
const closePauseMs = 20;

/** Groups below `place` in a folder for this `instance`, so that two daemons on a machine keep apart. */
export function createCgroups(place: CgroupPlace | undefined, instance: string): Cgroups {
  const folder = `${place?.folder ?? ""}/orion-${instance}`;
  return {
    make(script, memoryMaxBytes) {
      if (place === undefined) return { kind: "refused", why: "no cgroup hierarchy here controls memory" };
      const path = `${folder}/${script}`;
      try {
        if (place.version === 2) enableMemory(place.folder, folder);
        mkdirSync(path, { recursive: true });
        limitMemory(path, place.version, memoryMaxBytes);
        return { kind: "made", cgroup: openCgroup(path) };
      } catch (error) {
        return { kind: "refused", why: `control group ${path} can't be made: ${reasonOf(error)}` };
      }
    },
    find: (path) => (existsSync(path) ? openCgroup(path) : undefined),
    async close() {
      if (place === undefined) return;
      // a group is busy until init has waited for the last orphan that was killed in it
      for (let tries = 0; tries < closeTries && !removeGroup(folder); tries++) await Bun.sleep(closePauseMs);
    },
  };
}

/** Hands the memory controller down to groups below; in v2 each level must. */
function enableMemory(place: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const level of [place, folder]) {
    const file = `${level}/cgroup.subtree_control`;
    if (!readFileSync(file, "utf8").split(/\s+/).includes("memory")) writeFileSync(file, "+memory");
  }
}

/** Swap counts too where the kernel can limit it, or a script over its limit would be swapped out instead of killed. */
function limitMemory(path: string, version: 1 | 2, bytes: number | undefined): void {
  if (version === 2) {
    writeFileSync(`${path}/memory.max`, bytes === undefined ? "max" : String(bytes));
    const swap = `${path}/memory.swap.max`;
    if (existsSync(swap)) writeFileSync(swap, bytes === undefined ? "max" : "0");
    return;
  }
  // memory + swap may never be below memory: lift it first, lower it last
  const both = `${path}/memory.memsw.limit_in_bytes`;
  const limitsSwap = existsSync(both);
  if (limitsSwap) writeFileSync(both, "-1");
  writeFileSync(`${path}/memory.limit_in_bytes`, bytes === undefined ? "-1" : String(bytes));
  if (limitsSwap && bytes !== undefined) writeFileSync(both, String(bytes));
}

function openCgroup(path: string): Cgroup {
  const countsIn = existsSync(`${path}/memory.oom_control`) ? "memory.oom_control" : "memory.events";
  return {
    path,
    processes: () => (readOrEmpty(`${path}/cgroup.procs`).match(/\d+/g) ?? []).map(Number),
    memoryKills() {
      const count = /^oom_kill (\d+)$/m.exec(readOrEmpty(`${path}/${countsIn}`))?.[1];
      return count === undefined ? undefined : Number(count);
    },
    kill() {
      const file = `${path}/cgroup.kill`;
      if (!existsSync(file)) return;
      try {
        writeFileSync(file, "1");
      } catch {
        // not permitted, or just removed: the processes are killed one by one as well
      }
    },
    remove: () => removeGroup(path),
  };
}

/** Groups are removed by rmdir(2) although files seem to lie in them; groups that a script made below go first. */
function removeGroup(path: string): boolean {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeGroup(`${path}/${entry.name}`);
    rmdirSync(path);
    return true;
  } catch (error) {
    // EBUSY: a process is in it, or a zombie is not waited for yet; the next start takes the group over
    return errnoOf(error) === "ENOENT";
  }
}

// a group that was removed under us has no processes and no counts
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
