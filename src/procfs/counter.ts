/** Counters that only grow, and what to make of them when they do not. */

/** Values of a counter of 32 bits. */
const range32 = 2 ** 32;
/** Bytes a second, 1 Gbit/s: nothing faster can be told by 32 bits, which it would pass in 34 seconds. */
const plausible32 = 125_000_000;

/**
 * How far a byte counter got in `seconds`, or undefined when that can't be known. A value below the earlier one is either
 * a counter of 32 bits that began again at 0 (some drivers, 32-bit kernels), taken so only when the speed it means
 * is possible; or the interface was made anew or corrected, and the bytes between are unknown.
 */
export function counterAdvance(before: number, after: number, seconds: number): number | undefined {
  if (after >= before) return after - before;
  if (before >= range32) return undefined;
  const wrapped = after + range32 - before;
  return wrapped <= plausible32 * seconds ? wrapped : undefined;
}
