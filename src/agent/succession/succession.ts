/**
 * How one daemon follows another without an application noticing.
 *
 * The daemon is replaced in place by execve(2): the process, its pid and its children stay, so that exit codes are still
 * seen. The lock and the scripts' pipes stay open across it; everything else is on disk. Before, the program that lies
 * at the daemon's path is tried (see candidate.ts): one that can't run, or can't read the settings, changes nothing.
 *
 * A new program is on probation for ten seconds after it serves. A guard (see guard.ts), which is the program of before
 * in a process of its own, watches that: when the daemon ends or hangs within its probation, the guard puts the program
 * of before back at its path and lets it start, by systemd or by becoming it. Since applications belong to no daemon in
 * particular, the next one takes them over as after a crash.
 *
 * Both speak through one file, handover.json: while it is there and not `rolled-back`, the daemon is on probation.
 * Whoever is asked to stop meanwhile removes it, so that an orderly end is never taken for a failure.
 */
import { closeSync } from "node:fs";

import { type Clock, systemClock } from "#src/lib/clock.ts";
import { pollChild } from "#src/lib/libc.ts";
import { startCompanion } from "#src/lib/program.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Problem, ReexecAnswer } from "#src/protocol/ipc.ts";

import { execute, markStopSignals, readStopMark } from "./execute.ts";
import { tryCandidate } from "./candidate.ts";
import type { Beginning, LogPort, Succession } from "./door.ts";
import { type Handover, readHandover, removeHandover, startTicksOf, writeHandover } from "./handover.ts";
import { commandLine, isReplaced, keepPrevious, ownImage, ownPath, previousPath } from "./image.ts";
import { guardIsReady, probationMs } from "./timing.ts";

/** Signals that were taken, by whichever thread, reach their handlers by way of the event loop within this. */
const settleMs = 2;

type World = {
  readonly runDir: string;
  readonly logFile: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: LogPort;
};

/** For the guard's first word: it is a program of this size that starts on a busy machine. */
const guardWithinMs = 10_000;
/** Between two looks for the end of the guard, which ends by itself when the probation does. */
const reapEveryMs = 1000;

/** The succession of the agent in this process. Nothing is touched before it is used. */
export function createSuccession(world: World): Succession {
  const { runDir, version, env, log } = world;
  const program = ownPath();
  const words = commandLine("self");
  /** what this process has taken up, or is about to leave */
  let current: Handover | undefined;
  let asked: string | undefined;
  let leaving = false;
  let probation: PromiseWithResolvers<void> | undefined;

  /** The end of a probation, by time or because the agent stops: the guard sees that the file is gone. */
  function forget(): void {
    current = undefined;
    try {
      removeHandover(runDir);
    } catch (error) {
      log.warn(`the note of the last replacement can't be removed: ${reasonOf(error)}`);
    }
    probation?.resolve();
    probation = undefined;
  }

  /** The guard stayed a child of this process across execve(2), and nobody else waits for it. */
  function reap(pid: number, clock: Clock): void {
    if (pollChild(pid) === undefined) clock.after(reapEveryMs, () => reap(pid, clock));
  }

  async function setGuard(): Promise<number> {
    try {
      await keepPrevious(program);
    } catch (error) {
      log.warn(`${previousPath(program)} can't be written, so a roll-back can't restore the file: ${reasonOf(error)}`);
    }
    const flags = [
      "--program",
      program,
      "--daemon",
      String(process.pid),
      "--run-dir",
      runDir,
      "--log-file",
      world.logFile,
    ];
    const started = startCompanion([`/proc/${process.pid}/exe`, "agent", "guard", ...flags], env);
    if ((await started.firstLine(guardWithinMs)) === guardIsReady) return started.pid;
    started.kill();
    throw new Fault("failed", "the guard that would watch the new program did not start", {
      hint: "The agent goes on as it is; see its log",
    });
  }

  return {
    program,
    takeUp(): Beginning | undefined {
      const left = readHandover(runDir);
      if (left === undefined) return undefined;
      const mine = left.pid === process.pid && left.startTicks === startTicksOf(process.pid);
      if (mine) {
        current = left;
        asked = (left.umask === null ? undefined : readStopMark(left.umask)) ?? left.stop ?? undefined;
      }
      const lock = mine ? (left.lock ?? undefined) : undefined;
      if (left.state === "rolled-back") {
        removeHandover(runDir);
        return {
          began: `rolled back from ${left.to}: ${left.why ?? "it ended"}`,
          lock,
          rolledBack: true,
          problems: [rolledBack(left, program)],
        };
      }
      if (!mine) {
        // with a guard it is the guard's; without one its process has ended, and there is nothing to go back to
        if (left.guard === null) removeHandover(runDir);
        return undefined;
      }
      if (left.guard !== null) probation = Promise.withResolvers();
      const began = left.guard === null ? "re-executed" : `upgraded from ${left.from}`;
      return { began, lock, rolledBack: false, problems: [] };
    },
    pipesAreOpen() {
      for (const fd of current?.pipes ?? []) closeSync(fd);
    },
    serving(clock) {
      if (current === undefined || current.state === "rolled-back") return;
      const { guard } = current;
      if (guard === null) return forget();
      writeHandover(runDir, { ...current, state: "probation" });
      clock.after(probationMs, () => {
        if (probation === undefined) return;
        log.info(`version ${version} has run for ${probationMs / 1000} s and stays`);
        forget();
        reap(guard, clock);
      });
    },
    askedToStop: () => asked as NodeJS.Signals | undefined,
    stopping(signal) {
      if (leaving) asked = signal;
      else if (current !== undefined) forget();
    },
    onProbation: () => probation !== undefined,
    async prepare(): Promise<ReexecAnswer> {
      await probation?.promise;
      const startTicks = startTicksOf(process.pid);
      if (startTicks === undefined) throw new Fault("failed", "/proc does not show this process");
      const to = await tryCandidate(program, words.slice(1), env);
      const changed = isReplaced(program);
      const nothing = { lock: null, pipes: [], guard: null, stop: null, umask: null, why: null };
      current = { format: 1, state: "under-way", pid: process.pid, startTicks, from: version, to, ...nothing };
      try {
        // also for clients, who wait for the successor as long as it lies there; and the guard goes when it does not
        writeHandover(runDir, current);
        if (changed) current = { ...current, guard: await setGuard() };
      } catch (error) {
        forget();
        throw error;
      }
      return { version: to, changed };
    },
    async become(close) {
      leaving = true;
      const kept = await close();
      const marking = markStopSignals();
      // what came before is handed to its handlers meanwhile
      await new Promise<void>((resolve) => void systemClock.after(settleMs, resolve));
      if (current === undefined) throw new Error("a replacement begins with its preparation");
      const left: Handover = { ...current, ...kept, stop: asked ?? null, umask: marking.umask };
      writeHandover(runDir, left);
      execute(program, words, env);
      // it ran a moment ago; the program that runs here can be executed, wherever its file is
      writeHandover(runDir, { ...left, state: "rolled-back", why: `${program} can't be executed any more` });
      execute(ownImage, words, env);
      marking.undo();
      throw new Fault("failed", `neither ${program} nor the program before can be executed`);
    },
  };
}

function rolledBack(left: Handover, program: string): Problem {
  return {
    what: `the upgrade to version ${left.to} was rolled back`,
    why: left.why ?? "it ended",
    todo: `Version ${left.from} goes on and is ${program} again; see the agent's log, then upgrade to another version`,
  };
}
