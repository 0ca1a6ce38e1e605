/** One run of a script: the process that was spawned or found again, its tree, and how it is told that it ended. */
import type { Clock } from "#src/lib/clock.ts";
import { timestamp } from "#src/lib/clock.ts";
import type { Exit } from "#src/protocol/event.ts";

import type { Cgroup, Cgroups } from "./cgroup.ts";
import type { ProcessName, Processes } from "./processes.ts";
import type { ScriptRecord } from "./state.ts";
import { type Tree, createTree } from "./tree.ts";
import { type Usage, type UsageMeter, createUsageMeter, unknownUsage } from "./usage.ts";
import type { Ended, Watch, Watcher } from "./wait.ts";

export type RunRecord = NonNullable<ScriptRecord["run"]>;

export type RunWorld = {
  readonly processes: Processes;
  readonly clock: Clock;
  readonly cgroups: Cgroups;
  readonly watcher: Watcher;
};

export type Run = {
  readonly id: string;
  readonly leader: ProcessName | undefined;
  readonly cgroup: Cgroup | undefined;
  readonly tree: Tree;
  /** whether the process that was spawned has ended, whatever else is left */
  readonly ended: boolean;
  /** milliseconds that the process has been up */
  upMs(): number;
  /** Calls `onEnd` once, when the process has ended. `own`: the promise of a child; without it, procfs is watched. */
  follow(onEnd: (ended: Ended) => void, own?: Promise<Ended>): void;
  /** Resolves when the process has ended; only after its tree is gone, or it may take for ever. */
  over(): Promise<void>;
  /** No end is told any more. */
  unfollow(): void;
  /** What became of it, for the record. */
  exitOf(ended: Ended): Exit;
  sample(all: () => ReturnType<Processes["all"]>): number;
  usage(): Usage;
  record(): RunRecord;
};

type Start = {
  readonly id: string;
  readonly leader: ProcessName | undefined;
  readonly cgroup: Cgroup | undefined;
  readonly startedAtMs: number;
  readonly memoryKillsBefore: number;
};

/** What is known before the spawn. */
export type Beginning = Pick<Start, "id" | "cgroup" | "startedAtMs" | "memoryKillsBefore">;

/** A run that is about to begin. Kills for memory are counted from here: the process may be killed before we look again. */
export function prepareRun(clock: Clock, id: string, cgroup: Cgroup | undefined): Beginning {
  return { id, cgroup, startedAtMs: clock.now(), memoryKillsBefore: cgroup?.memoryKills() ?? 0 };
}

/** The run, before its process was spawned or with it. */
export function beginRun(world: RunWorld, beginning: Beginning, leader: ProcessName | undefined): Run {
  return createRun(world, { ...beginning, leader });
}

/** A run that an earlier daemon began; `leader` when its process was found by its mark instead of by its pid. */
export function resumeRun(world: RunWorld, record: RunRecord, leader: ProcessName | undefined): Run {
  const { pid, startTicks, id, memoryKillsBefore } = record;
  const recorded = pid === null || startTicks === null ? undefined : { pid, startTicks };
  const cgroup = record.cgroup === null ? undefined : world.cgroups.find(record.cgroup);
  const startedAtMs = Date.parse(record.startedAt);
  return createRun(world, { id, leader: recorded ?? leader, cgroup, startedAtMs, memoryKillsBefore });
}

function createRun(world: RunWorld, start: Start): Run {
  const { clock, watcher } = world;
  const { id, leader, cgroup } = start;
  const tree = createTree({ runId: id, leader, cgroup }, world.processes, clock);
  // the wall clock may jump later on: it is asked once, and only matters for a run of an earlier daemon
  const startedMs = clock.monotonic() - Math.max(0, clock.now() - start.startedAtMs);
  const over = Promise.withResolvers<void>();
  let meter: UsageMeter | undefined;
  let usage = unknownUsage;
  let ended = leader === undefined;
  let followed = false;
  let watch: Watch | undefined;

  return {
    id,
    leader,
    cgroup,
    tree,
    get ended() {
      return ended;
    },
    upMs: () => clock.monotonic() - startedMs,
    follow(onEnd, own) {
      if (leader === undefined) return;
      followed = true;
      const tell = (how: Ended): void => {
        if (ended) return;
        ended = true;
        if (followed) onEnd(how);
        over.resolve();
      };
      if (own === undefined) watch = watcher.watch(leader, tell);
      // never rejects: the promise of a child only resolves
      else void own.then(tell);
    },
    async over() {
      if (ended || !followed) return;
      watch?.check();
      await over.promise;
    },
    unfollow() {
      followed = false;
      watch?.cancel();
    },
    exitOf(how) {
      const code = how.kind === "code" ? how.code : null;
      const signal = how.kind === "signal" ? how.signal : null;
      const killed = signal === "SIGKILL" || code === 128 + 9 || how.kind === "unobserved";
      const oom = killed && (cgroup?.memoryKills() ?? 0) > start.memoryKillsBefore;
      return { code, signal, observed: how.kind !== "unobserved", oom, at: timestamp(clock.now()) };
    },
    sample(all) {
      meter ??= createUsageMeter(world.processes, startedMs);
      const members = tree.sample(all);
      usage = meter.read(members, clock.monotonic());
      return members.length;
    },
    usage: () => (ended ? unknownUsage : usage),
    record: () => ({
      id,
      pid: leader?.pid ?? null,
      startTicks: leader?.startTicks ?? null,
      startedAt: timestamp(start.startedAtMs),
      cgroup: cgroup?.path ?? null,
      memoryKillsBefore: start.memoryKillsBefore,
    }),
  };
}
