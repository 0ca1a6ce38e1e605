/** Ends all processes of one run of a script: asks, waits, kills, until nothing is left. */
import type { Clock } from "#src/lib/clock.ts";
import { errnoOf } from "#src/protocol/fault.ts";
import type { KillSignal } from "#src/protocol/scripts.ts";

import { type RunFacts, createMembers } from "./members.ts";
import type { ProcessStat, Processes } from "./processes.ts";

export type EndOptions = {
  readonly signal: KillSignal;
  /** how long the processes may take before they are killed */
  readonly timeoutMs: number;
};

export type Tree = {
  /** The living processes of the run. */
  members(): readonly ProcessStat[];
  /** The same for measuring: cheaper, and less thorough. */
  sample(all: () => readonly ProcessStat[]): readonly ProcessStat[];
  /** Asks all to end, kills what is left after the time-out, until nothing is left. @returns what could not be ended */
  end(options: EndOptions): Promise<readonly ProcessStat[]>;
  /** An `end` under way, or to come, kills at this time of the monotonic clock at the latest. */
  hurry(killAtMs: number): void;
};

/** Kills are repeated for this long; what is there even then waits in the kernel and can't be killed (state D). */
const killForMs = 8_000;
/** Looks at all processes that must find none before none counts as left. */
const looksToBeSure = 3;
const firstPauseMs = 4;
const longestPauseMs = 100;

/** The tree of one run. */
export function createTree(run: RunFacts, processes: Processes, clock: Clock): Tree {
  const members = createMembers(run, processes);
  let killAtLatest = Number.POSITIVE_INFINITY;

  const pause = (ms: number): Promise<void> => new Promise((resolve) => clock.after(ms, resolve));

  /**
   * The members, certain to be none if it says none: a look takes its time, and whoever forks and ends while it lasts
   * can be missed by one.
   */
  function findForSure(): readonly ProcessStat[] {
    for (let look = 0; look < looksToBeSure; look++) {
      const found = members.find();
      if (found.length > 0) return found;
    }
    return [];
  }

  /** Whether those that were asked are still there. Wakes the stopped ones: they hear only SIGKILL before they go on. */
  function askedAreLeft(): boolean {
    const left = members.left();
    for (const stat of left) if (stat.state === "T") sendSignal(stat.pid, "SIGCONT");
    return left.length > 0;
  }

  /** @returns whether nothing is left */
  async function ask({ signal, timeoutMs }: EndOptions): Promise<boolean> {
    const killAt = clock.monotonic() + timeoutMs;
    const asked = new Set<number>();
    let pauseMs = firstPauseMs;
    for (;;) {
      const left = findForSure();
      if (left.length === 0) return true;
      const fresh = left.filter((stat) => !asked.has(stat.pid));
      signalAll(run, fresh, signal);
      for (const stat of fresh) asked.add(stat.pid);
      do {
        if (clock.monotonic() >= Math.min(killAt, killAtLatest)) return false;
        await pause(pauseMs);
        pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      } while (askedAreLeft());
    }
  }

  async function kill(): Promise<readonly ProcessStat[]> {
    const giveUpAt = clock.monotonic() + killForMs;
    let pauseMs = firstPauseMs;
    for (;;) {
      run.cgroup?.kill();
      for (const stat of members.find()) sendSignal(stat.pid, "SIGKILL");
      members.chase((stat) => sendSignal(stat.pid, "SIGKILL"));
      const left = findForSure();
      if (left.length === 0 || clock.monotonic() >= giveUpAt) return left;
      await pause(pauseMs);
      pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    }
  }

  return {
    members: () => members.find(),
    sample: (all) => members.sample(all),
    end: async (options) => ((await ask(options)) ? [] : kill()),
    hurry(killAtMs) {
      killAtLatest = Math.min(killAtLatest, killAtMs);
    },
  };
}

/** Signals the group at once, so that a shell and what it runs hear it together, then whoever is not in the group. */
function signalAll(run: RunFacts, stats: readonly ProcessStat[], signal: KillSignal): void {
  const group = run.leader?.pid;
  const inGroup = stats.some((stat) => stat.group === group);
  if (inGroup && group !== undefined) sendSignal(-group, signal);
  for (const stat of stats) if (stat.group !== group) sendSignal(stat.pid, signal);
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it ended by itself. EPERM: it changed its user; the caller sees that it is left and says so
    const code = errnoOf(error);
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
