/** When a host is polled. Pure: milliseconds of a clock that never goes back. */
import { exponentialDelay, withJitter } from "#src/lib/backoff.ts";
import type { FaultCode } from "#src/protocol/fault.ts";

export const pollEveryMs = 60_000;
/** Two polls are at least so far apart, so that what lies between them says something. */
const minGapMs = 5_000;
/** A host that can't be reached is asked less and less often; what is mended is noticed within this time. */
const longestWaitMs = 15 * 60_000;
/** More sign-ins that fail would look like somebody who guesses passwords, and hosts bar those (fail2ban). */
const refusedWaitMs = 15 * 60_000;
const jitterShare = 0.1;

/** A host's own moment of the minute: ids are random, so that hosts are spread evenly over it. */
export function phaseOf(serverId: string): number {
  return Bun.hash.crc32(serverId) % pollEveryMs;
}

/** The next time that it is the host's moment. */
export function nextPoll(nowMs: number, phaseMs: number): number {
  const earliest = nowMs + minGapMs;
  return earliest + ((((phaseMs - earliest) % pollEveryMs) + pollEveryMs) % pollEveryMs);
}

/**
 * When to try again after a failure. undefined: not before somebody changes the host's SSH details, since nobody must
 * sign in to a host that shows another key than the approved one.
 * @param failures in a row, this one included
 */
export function nextTry(nowMs: number, code: FaultCode, failures: number): number | undefined {
  if (code === "conflict") return undefined;
  if (code === "denied") return nowMs + withJitter(refusedWaitMs, jitterShare);
  return nowMs + withJitter(exponentialDelay(pollEveryMs, longestWaitMs, failures - 1), jitterShare);
}
