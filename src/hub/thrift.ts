/**
 * The hub's memory near what it needs. JavaScriptCore lets garbage grow to half of what lives, or as much again while the
 * machine has memory to spare; that is for programs that have it for themselves. Beside 10,000 servers that is 50 MiB.
 */
import { heapSize } from "bun:jsc";

import { type Clock, systemClock } from "#src/lib/clock.ts";
import { releaseOwnCode } from "#src/lib/own-memory.ts";
import { reasonOf } from "#src/protocol/fault.ts";

/** Behind the start, when all that goes on with it has begun: the code that only the start needed goes. */
const settledAfterMs = 10_000;
const lookEveryMs = 5_000;
/** Garbage, as a share of what lives, that is worth a pause; and heaps that are not looked at. */
const mostGarbage = 0.2;
const smallHeapBytes = 64 * 1024 * 1024;
/** Pauses, of 50 ms in a heap of 130 MiB, take no more than this share of the time. */
const pauseShare = 0.005;

type Work = {
  readonly heapBytes: () => number;
  /** collects all garbage before it returns */
  readonly collect: () => void;
  /** @returns bytes */
  readonly releaseCode: () => number;
};

const ofThisProcess: Work = {
  heapBytes: heapSize,
  collect: () => Bun.gc(true),
  releaseCode: () => releaseOwnCode(),
};

/** Begins; a matter of the process, so by the machine's own clock. @returns what ends it */
export function startThrift(
  log: { debug(message: string): void },
  clock: Clock = systemClock,
  work: Work = ofThisProcess,
): () => void {
  // what lived when it was looked at last, as far as that is known
  let living = Number.POSITIVE_INFINITY;
  let notBefore = Number.NEGATIVE_INFINITY;
  const ends = [clock.after(settledAfterMs, release)];
  look();

  function release(): void {
    try {
      log.debug(`${work.releaseCode()} bytes of code given back`);
    } catch (error) {
      log.debug(`memory that the start took can't be given back: ${reasonOf(error)}`);
    }
  }

  function look(): void {
    ends[1] = clock.after(lookEveryMs, look);
    const bytes = work.heapBytes();
    living = Math.min(living, bytes);
    const begun = clock.monotonic();
    if (bytes < smallHeapBytes || bytes < living * (1 + mostGarbage) || begun < notBefore) return;
    work.collect();
    const ended = clock.monotonic();
    living = work.heapBytes();
    notBefore = ended + (ended - begun) / pauseShare;
  }

  return () => ends.forEach((end) => end());
}
