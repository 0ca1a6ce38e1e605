/**
 * Which processes belong to a run of a script, also those that left its process group: a run is known by its cgroup, by
 * the mark in its environment, by its session and group, by descent, and by having been seen to belong before.
 */
import type { Cgroup } from "./cgroup.ts";
import { runMark } from "./environment.ts";
import { type ProcessName, type ProcessStat, type Processes, isAlive } from "./processes.ts";

export type RunFacts = {
  readonly runId: string;
  /** the process that was spawned, leader of its own session and group; undefined when it never came to be */
  readonly leader: ProcessName | undefined;
  readonly cgroup: Cgroup | undefined;
};

export type Members = {
  /** The living members, by a look at all processes: 15 us a process on the machine. */
  find(): readonly ProcessStat[];
  /** The same, cheaper and less thorough: the cgroup alone when there is one, else one pass of `all` without marks. */
  sample(all: () => readonly ProcessStat[]): readonly ProcessStat[];
  /** Those of the last look that still live; costs a read each. */
  left(): readonly ProcessStat[];
  /**
   * Calls `take` with each member, until no new one has come up for a few looks. Only processes that came after the
   * last `find` are looked at, so this keeps up with a program that forks and ends within milliseconds.
   */
  chase(take: (member: ProcessStat) => void): void;
};

/** Looks of a chase without a new member before it ends, and looks in all: about 100 us each. */
const quietLooks = 5;
const mostLooks = 2_000;

/** The members of one run. Remembers what it saw. */
export function createMembers(run: RunFacts, processes: Processes): Members {
  const known = new Map<number, number>();
  let strangers = new Set<number>();
  const mark = runMark(run.runId);
  const isMarked = (pid: number): boolean => processes.carries(pid, mark);

  function remember(found: readonly ProcessStat[]): readonly ProcessStat[] {
    known.clear();
    for (const stat of found) known.set(stat.pid, stat.startTicks);
    return found;
  }

  return {
    find() {
      const all = processes.all();
      const found = remember(findMembers(run, all, known, isMarked));
      strangers = new Set(all.filter((stat) => !known.has(stat.pid)).map((stat) => stat.pid));
      return found;
    },
    sample(all) {
      if (run.cgroup === undefined) return remember(findMembers(run, all(), known, () => false));
      return run.cgroup
        .processes()
        .map((pid) => processes.read(pid))
        .filter(isAlive);
    },
    left() {
      const found = [...known].map(([pid]) => processes.read(pid)).filter(isAlive);
      return found.filter((stat) => known.get(stat.pid) === stat.startTicks);
    },
    chase(take) {
      const taken = new Map<number, number>();
      let quiet = 0;
      for (let look = 0; look < mostLooks && quiet < quietLooks; look++) {
        quiet++;
        for (const pid of processes.pids()) {
          if (strangers.has(pid)) continue;
          const stat = processes.read(pid);
          if (!isAlive(stat) || taken.get(pid) === stat.startTicks) continue;
          if (known.get(pid) === stat.startTicks || known.has(stat.parent) || isMarked(pid)) {
            take(stat);
            taken.set(pid, stat.startTicks);
            known.set(pid, stat.startTicks);
            quiet = 0;
          } else {
            strangers.add(pid);
          }
        }
      }
    },
  };
}

/** One look at all processes. `known` are those of the last look. */
function findMembers(
  run: RunFacts,
  all: readonly ProcessStat[],
  known: ReadonlyMap<number, number>,
  isMarked: (pid: number) => boolean,
): readonly ProcessStat[] {
  const { leader } = run;
  // no process gets the number of a group that exists, so a stranger with the leader's pid means: the group is gone
  const reused = leader !== undefined && all.some((p) => p.pid === leader.pid && p.startTicks !== leader.startTicks);
  const group = leader === undefined || reused ? undefined : leader.pid;
  const inCgroup = new Set(run.cgroup?.processes());
  const earliest = leader?.startTicks ?? 0;
  const members = new Set<number>();
  const children = new Map<number, number[]>();

  for (const p of all) {
    // nothing of a run is older than its leader; neither are we, nor init, whoever adopted whom
    if (p.startTicks < earliest || p.pid === process.pid || p.pid === 1) continue;
    const siblings = children.get(p.parent);
    if (siblings === undefined) children.set(p.parent, [p.pid]);
    else siblings.push(p.pid);
    const belongs =
      inCgroup.has(p.pid) ||
      known.get(p.pid) === p.startTicks ||
      (group !== undefined && (p.group === group || p.session === group)) ||
      (isAlive(p) && isMarked(p.pid));
    if (belongs) members.add(p.pid);
  }
  // a set is iterated in order of insertion, what is added meanwhile included
  for (const pid of members) for (const child of children.get(pid) ?? []) members.add(child);
  return all.filter((p) => members.has(p.pid) && isAlive(p));
}
