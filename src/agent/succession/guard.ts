/**
 * The guard of a replacement: the program of before, in a process of its own, that lives as long as the new program's
 * probation. When the daemon ends or hangs meanwhile, it puts the program of before back and sees to it that it starts.
 */
import { writeSync } from "node:fs";

import { anyReadable, openPidfd } from "#src/lib/libc.ts";
import { Fault } from "#src/protocol/fault.ts";

import type { LogPort } from "./door.ts";
import { type Handover, readHandover, runs, writeHandover } from "./handover.ts";
import { commandLine, fileName } from "./image.ts";
import { openPipes } from "./pipes.ts";
import { putBack, startAgain } from "./rollback.ts";
import { guardIsReady, probationMs } from "./timing.ts";

export type GuardWorld = {
  /** pid of the daemon */
  readonly daemon: number;
  /** where the program lies that replaces it */
  readonly program: string;
  readonly runDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: LogPort;
};

/** systemd waits 500 ms before it starts a daemon that has ended again: the file must be back by then. */
const lookEveryMs = 25;
/** A new program that does not serve by then hangs. Hundreds of scripts are adopted within a second. */
const serveWithinMs = 20_000;
/** After its probation the daemon has so long to say that it runs well: a machine under load is no failure. */
const graceMs = 10_000;

/**
 * Watches until the probation is over. Returns then, or becomes the daemon itself.
 * @throws {Fault} when there is nothing to watch, or nothing to go back to
 */
export async function guard(world: GuardWorld): Promise<void> {
  const { daemon, program, runDir, env, log } = world;
  const left = readHandover(runDir);
  if (left?.pid !== daemon || !runs(left)) {
    throw new Fault("conflict", `process ${daemon} is not being replaced`, { hint: "Only the agent starts its guard" });
  }
  const words = commandLine(daemon);
  const candidate = fileName(program);
  // what lies in them would be forgotten when a new program ends at once
  const pipes = openPipes(runDir);
  writeSync(1, `${guardIsReady}\n`);
  const why = await watch(left, runDir);
  if (why === undefined) return;

  const failed = readHandover(runDir) ?? left;
  // yet another one may lie there by now
  const image = fileName(program) === candidate ? putBack(program, log) : program;
  log.warn(`version ${failed.to} is rolled back to ${failed.from}: ${why}`);
  const note: Handover = { ...failed, state: "rolled-back", why, lock: null, pipes: [], guard: null };
  writeHandover(runDir, note);
  await startAgain({ note, runDir, program: image, words, env, pipes });
}

/** @returns why the new program has failed, or undefined: it runs well, or was asked to stop */
async function watch(daemon: Handover, runDir: string): Promise<string | undefined> {
  // the process is still the one of before, so that the descriptor can't be of another one with its pid
  const pidfd = openPidfd(daemon.pid);
  const hasEnded = (): boolean => (pidfd === -1 ? !runs(daemon) : anyReadable([pidfd]));
  const kill = async (): Promise<void> => {
    if (!hasEnded()) process.kill(daemon.pid, "SIGKILL");
    while (!hasEnded()) await Bun.sleep(lookEveryMs);
  };
  const begun = performance.now();
  let served: number | undefined;
  for (;;) {
    await Bun.sleep(lookEveryMs);
    const ended = hasEnded();
    // read afterwards: an orderly end takes the file away first
    const now = readHandover(runDir);
    if (now === undefined || now.state === "rolled-back") return undefined;
    if (now.state === "probation") served ??= performance.now();
    const upMs = performance.now() - (served ?? begun);
    if (ended)
      return served === undefined
        ? "it ended before it served"
        : `it ended ${(upMs / 1000).toFixed(1)} s after its start`;
    if (upMs < (served === undefined ? serveWithinMs : probationMs + graceMs)) continue;
    await kill();
    return served === undefined ? `it did not serve within ${serveWithinMs / 1000} s` : "it hung soon after its start";
  }
}
