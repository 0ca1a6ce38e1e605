/** How the numbers of a chart are written, and where its axis has steps. Pure. */
import { bytes, percent, rate } from "../format.ts";

export type Unit = {
  /** whole, for legends */
  readonly say: (value: number) => string;
  /** short, for the axis */
  readonly axis: (value: number) => string;
  /** distances that ticks may have; undefined: 1, 2, 2.5 and 5 times powers of ten */
  readonly steps?: readonly number[];
};

/** Sizes are read in steps of 1024, so that a tick at 4 GB is one: powers of two up to a petabyte. */
const powersOfTwo = Array.from({ length: 51 }, (_, i) => 2 ** i);
/** Nobody reads thirds of a percent. */
const percentSteps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

const shortBytes = (value: number) => bytes(value).replace(".0 ", " ");

export const units = {
  percent: { say: percent, axis: (value) => `${Number(value.toFixed(1))} %`, steps: percentSteps },
  bytes: { say: bytes, axis: shortBytes, steps: powersOfTwo },
  rate: { say: rate, axis: (value) => `${shortBytes(value)}/s`, steps: powersOfTwo },
  number: { say: (value) => value.toFixed(2), axis: (value) => String(Number(value.toFixed(2))) },
  count: {
    say: (value) => Math.round(value).toLocaleString("en"),
    axis: (value) => (value >= 10_000 ? `${Number((value / 1000).toFixed(1))} k` : String(value)),
    steps: Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((digit) => digit * 10 ** i)).flat(),
  },
} as const satisfies Readonly<Record<string, Unit>>;
