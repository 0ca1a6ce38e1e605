/**
 * How the end of a process is noticed. Three cases: a child that this daemon started (Bun tells), a child that it
 * started before it was replaced in place (waitpid), and a process of an earlier daemon, which now belongs to init: of
 * that one only the disappearance can be seen.
 */
import { closeSync } from "node:fs";
import { constants } from "node:os";

import type { Subprocess } from "bun";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { anyReadable, openPidfd, pollChild } from "#src/lib/libc.ts";

import { type ProcessName, type Processes, isAlive } from "./processes.ts";

/** How a process ended; `unobserved`: nobody who was told is left. */
export type Ended =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "unobserved" };

export type Watch = {
  /** Looks now instead of at the next turn. */
  check(): void;
  cancel(): void;
};

/** The end of a child of `Bun.spawn`. Never rejects. */
export async function waitForChild(child: Subprocess): Promise<Ended> {
  try {
    const code = await child.exited;
    // `exited` is 128 + signal after a signal, which an exit code may be as well; signalCode tells them apart
    return child.signalCode === null ? { kind: "code", code } : { kind: "signal", signal: String(child.signalCode) };
  } catch {
    // ECHILD: somebody else has waited for it, or this daemon was started with SIGCHLD ignored; its end is all we know
    return { kind: "unobserved" };
  }
}

/** Within the second in which an end must be seen; each look wakes the daemon up, which costs more than the look. */
const lookEveryMs = 900;

export type Watcher = {
  /** Calls `onEnd` once, when `process` has ended; not before this returns. */
  watch(process: ProcessName, onEnd: (ended: Ended) => void): Watch;
};

type Watched = {
  /** of pidfd_open(2); -1 where the kernel is older than 5.3, and procfs is read at each look instead */
  readonly pidfd: number;
  readonly look: () => void;
};

/**
 * Watches processes that Bun does not know. One timer and one poll(2) for all of them, and none while there are none:
 * Bun's event loop takes no pidfd.
 */
export function createWatcher(processes: Processes, clock: Clock): Watcher {
  const all = new Set<Watched>();
  let cancelTimer: Cancel | undefined;

  function lookAtAll(): void {
    const pidfds = [...all].map(({ pidfd }) => pidfd);
    if (pidfds.includes(-1) || anyReadable(pidfds)) for (const { look } of all) look();
  }

  function schedule(): void {
    cancelTimer ??= clock.after(lookEveryMs, () => {
      cancelTimer = undefined;
      lookAtAll();
      if (all.size > 0) schedule();
    });
  }

  function forget(watched: Watched): boolean {
    if (!all.delete(watched)) return false;
    if (watched.pidfd !== -1) closeSync(watched.pidfd);
    return true;
  }

  return {
    watch(target, onEnd) {
      const watched: Watched = {
        pidfd: openPidfd(target.pid),
        look() {
          const ended = readEnd(processes, target);
          if (ended !== undefined && forget(watched)) onEnd(ended);
        },
      };
      all.add(watched);
      // a stranger that has the pid by now would be waited for: the start time, read after the opening, tells
      const stranger = processes.read(target.pid)?.startTicks !== target.startTicks;
      if (stranger) clock.after(0, watched.look);
      schedule();
      return {
        check: watched.look,
        cancel() {
          if (!forget(watched) || all.size > 0) return;
          cancelTimer?.();
          cancelTimer = undefined;
        },
      };
    },
  };
}

function readEnd(processes: Processes, target: ProcessName): Ended | undefined {
  const stat = processes.read(target.pid);
  if (stat === undefined || stat.startTicks !== target.startTicks) return { kind: "unobserved" };
  if (stat.parent === process.pid) {
    const status = pollChild(target.pid);
    if (status === undefined) return undefined;
    if (status === null) return { kind: "unobserved" };
    return "code" in status
      ? { kind: "code", code: status.code }
      : { kind: "signal", signal: signalName(status.signal) };
  }
  return isAlive(stat) ? undefined : { kind: "unobserved" };
}

/** The name of a signal number: `SIGKILL` for 9. See signal(7). */
export function signalName(number: number): string {
  for (const [name, value] of Object.entries(constants.signals)) if (value === number) return name;
  // the real-time signals have no names of their own in the table
  return `SIG${number}`;
}
