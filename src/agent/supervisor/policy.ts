/** What follows from the end of a process: crash or not, restart or not, and when. Pure. */
import { exponentialDelay, withJitter } from "#src/lib/backoff.ts";
import type { Script } from "#src/protocol/scripts.ts";

/** Longest wait between two starts of a crashing script. */
export const backoffCeilingMs = 60_000;
const jitterShare = 0.1;

export type Verdict = {
  /** consecutive crashes, this one included */
  readonly crashes: number;
  /** null: it is not started again */
  readonly restartInMs: number | null;
  /** it would have been started again, but has crashed too often in a row */
  readonly gaveUp: boolean;
};

/**
 * Judges a crash after `crashesBefore` in a row; `upMs` is how long it had been up, null when it was not started at all.
 * The wait is `backoffBase * 2^n` for the n-th restart from 0, with up to 10 % of jitter, at most 60 s.
 */
export function judgeCrash(script: Script, crashesBefore: number, upMs: number | null, random: () => number): Verdict {
  const stable = upMs !== null && upMs >= script.stableAfter;
  const crashes = (stable ? 0 : crashesBefore) + 1;
  if (!script.autoRestart) return { crashes, restartInMs: null, gaveUp: false };
  if (crashes >= script.maxRestarts) return { crashes, restartInMs: null, gaveUp: true };
  const delay = withJitter(exponentialDelay(script.backoffBase, backoffCeilingMs, crashes - 1), jitterShare, random);
  return { crashes, restartInMs: Math.min(backoffCeilingMs, delay), gaveUp: false };
}

/** The settings that a running process has taken up; a change of any other needs no restart. */
export function definitionOf(script: Script): string {
  const { command, cwd, captureOutput, user, env, envFile, memoryMax } = script;
  const variables = Object.entries(env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([command, cwd, captureOutput, user, variables, envFile, memoryMax]);
}
