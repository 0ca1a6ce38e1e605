/** Waiting longer after each failure, up to a ceiling. */

/** `base * 2^failures`, at most `ceiling`; `failures` counts from 0. All in milliseconds. */
export function exponentialDelay(baseMs: number, ceilingMs: number, failures: number): number {
  // 2^31 is beyond every ceiling in use; capping the exponent keeps the product finite
  return Math.min(ceilingMs, baseMs * 2 ** Math.min(failures, 31));
}

/** Adds up to `share` (0.1 = 10 %) of the delay, so that many clients do not come back in the same moment. */
export function withJitter(delayMs: number, share: number, random: () => number = Math.random): number {
  return Math.round(delayMs * (1 + share * random()));
}

/** The entry of a fixed ladder of delays for this many failures so far; the last one repeats. */
export function ladderDelay(ladderMs: readonly [number, ...number[]], failures: number): number {
  return ladderMs[Math.min(failures, ladderMs.length - 1)] ?? ladderMs[0];
}
