/**
 * Numbers kept as finely as a chart can show and no finer: whole steps of `unit` while they are small, then `bits`
 * significant binary digits, as a log-linear histogram has them (HdrHistogram). The index grows with the number, so that
 * the indexes of neighbours differ by little, and it can be turned back into a number at any time without losing more.
 */
import type { Scale } from "#src/protocol/series.ts";

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** 2^n for the exponents of a double that a scale can meet. */
function power(n: number): number {
  return n < 31 ? 1 << n : 2 ** n;
}

/** The exponent of a double that is at least 1; IEEE 754, little end first as on every machine that this runs on. */
function exponentOf(value: number): number {
  float[0] = value;
  return ((words[1] ?? 0) >>> 20) - 1023;
}

/** The index of a finite number, rounded to the nearest. */
export function indexOf(value: number, { unit, bits }: Scale): number {
  const steps = value / unit;
  // there is one zero
  return (steps < 0 ? -indexOfSteps(-steps, bits) : indexOfSteps(steps, bits)) + 0;
}

function indexOfSteps(steps: number, bits: number): number {
  const rounded = Math.round(steps);
  const exact = 2 << bits;
  if (rounded < exact) return rounded;
  const shift = exponentOf(steps) - bits;
  return (shift << bits) + Math.round(steps / power(shift));
}

/** The index of the largest number that is kept and not above `value`, which is not negative. */
export function indexBelow(value: number, { unit, bits }: Scale): number {
  // a difference of doubles may fall short of the whole number that it stands for
  const steps = (value / unit) * (1 + 1e-12) + 1e-9;
  if (steps < 2 << bits) return Math.floor(steps);
  const shift = exponentOf(steps) - bits;
  return (shift << bits) + Math.floor(steps / power(shift));
}

/** The number that an index stands for. */
export function valueAt(index: number, { unit, bits }: Scale): number {
  if (index < 0) return -stepsAt(-index, bits) * unit;
  return stepsAt(index, bits) * unit;
}

function stepsAt(index: number, bits: number): number {
  if (index < 2 << bits) return index;
  const shift = (index >> bits) - 1;
  return (index - (shift << bits)) * power(shift);
}
