/**
 * Series on a grid of equal steps, as a chart draws them. What they are read from follows from the step: samples as they
 * came, averages of five minutes, or of hours; the finest that is still kept, and no finer than is asked for.
 */
import { type Series, type SeriesRetention, type Tier, tiers } from "#src/protocol/series.ts";
import { maxSteps } from "#src/protocol/metrics.ts";

/** Values that a chart gets when nobody says how many. */
const usualSteps = 300;
/** No agent reports more often. */
const shortestStepS = 10;

export type Plan = { readonly tier: Tier; readonly fromS: number; readonly toS: number; readonly stepS: number };

/** What to read for a stretch; `stepS` null: as fits. Both ends come to lie on whole steps. */
export function planChart(
  asked: { readonly fromMs: number; readonly toMs: number; readonly stepS: number | null },
  retention: SeriesRetention,
  nowMs: number,
): Plan {
  const spanS = Math.max(1, (asked.toMs - asked.fromMs) / 1000);
  const wanted = Math.max(asked.stepS ?? spanS / usualSteps, spanS / (maxSteps - 2), shortestStepS);
  const ageS = (nowMs - asked.fromMs) / 1000;
  const tier = tierFor(wanted, ageS, retention);
  const stepS = tier === 0 ? Math.ceil(wanted) : Math.ceil(wanted / tier) * tier;
  const fromS = Math.floor(asked.fromMs / 1000 / stepS) * stepS;
  return { tier, stepS, fromS, toS: Math.max(fromS + stepS, Math.ceil(asked.toMs / 1000 / stepS) * stepS) };
}

function tierFor(stepS: number, ageS: number, { raw, minutes }: SeriesRetention): Tier {
  if (stepS >= tiers[2] || ageS > minutes) return tiers[2];
  return stepS >= tiers[1] || ageS > raw ? tiers[1] : tiers[0];
}

export type Drawn = {
  readonly values: readonly (number | null)[];
  /** undefined: each value is a single sample */
  readonly spread: { readonly min: readonly (number | null)[]; readonly max: readonly (number | null)[] } | undefined;
};

/** Puts a series on the grid. */
export function drawSeries(series: Series, { tier, fromS, toS, stepS }: Plan): Drawn {
  const steps = Math.round((toS - fromS) / stepS);
  const [sums, counts] = [new Float64Array(steps), new Float64Array(steps)];
  const [min, max] = [new Float64Array(steps).fill(Infinity), new Float64Array(steps).fill(-Infinity)];
  const at = (i: number) => Math.floor(((series.times[i] ?? 0) - fromS) / stepS);
  function put(cell: number, i: number): void {
    const count = series.count[i] ?? 0;
    counts[cell] = (counts[cell] ?? 0) + count;
    sums[cell] = (sums[cell] ?? 0) + (series.mean[i] ?? 0) * count;
    min[cell] = Math.min(min[cell] ?? 0, series.min[i] ?? 0);
    max[cell] = Math.max(max[cell] ?? 0, series.max[i] ?? 0);
  }
  const isJoined = joinedBy(series, tier);
  for (let i = 0; i < series.times.length; i++) {
    // a sample tells of the time since the one before it, so that steps between the two are no gap
    if (i > 0 && isJoined(i)) for (let cell = at(i - 1) + 1; cell < at(i); cell++) put(cell, i);
    put(at(i), i);
  }
  const numbers = (list: Float64Array) => Array.from(list, (value, i) => ((counts[i] ?? 0) > 0 ? tidy(value) : null));
  const values = numbers(sums.map((sum, i) => sum / (counts[i] ?? 1)));
  const single = tier === 0 && counts.every((count) => count <= 1);
  return { values, spread: single ? undefined : { min: numbers(min), max: numbers(max) } };
}

/** Six digits: more than any series is kept with. (`toPrecision` would take most of a chart's time.) */
function tidy(value: number): number {
  if (value === 0) return 0;
  const digits = 5 - Math.floor(Math.log10(Math.abs(value)));
  if (digits <= 0) return Math.round(value / 10 ** -digits) * 10 ** -digits;
  return digits > 300 ? 0 : Math.round(value * 10 ** digits) / 10 ** digits;
}

/** How many intervals apart two neighbours may be: one beat may be late or lost. */
const joinedWithin = 2.5;

/** Distances that the usual one is found by. */
const sampled = 100;

/** Whether nothing is missing between point `i` and the one before it. */
function joinedBy({ times, count }: Series, tier: Tier): (i: number) => boolean {
  const distance = (i: number) => (times[i] ?? 0) - (times[i - 1] ?? 0);
  const every = Math.max(1, Math.floor((times.length - 1) / sampled));
  const distances: number[] = [];
  for (let i = 1; i < times.length; i += every) distances.push(distance(i));
  distances.sort((a, b) => a - b);
  const usual = distances[distances.length >> 1] ?? 0;
  // an agent may have been told another interval meanwhile, or the hub looks itself, less often: what is usual before or
  // after it counts too; of two neighbours the nearer, since the other may be a gap of its own
  const around = (i: number, j: number) => Math.min(distance(i), distance(j));
  return (i) => {
    const apart = distance(i);
    if (apart > joinedWithin * usual) {
      const before = i > 2 ? around(i - 1, i - 2) : 0;
      const after = i + 2 < times.length ? around(i + 1, i + 2) : 0;
      if (apart > joinedWithin * Math.max(before, after)) return false;
    }
    // a stretch that should have many samples and has none is a gap
    return tier === 0 || ((count[i] ?? 0) <= 2 && (count[i - 1] ?? 0) <= 2);
  };
}

/** What the keys begin with that {@link wantsOf} names; undefined: it may be anything. */
export function prefixesOf(names: string | undefined): readonly string[] | undefined {
  if (names === undefined) return undefined;
  // `host.cpu/*` names the key `host.cpu` as well
  return namesIn(names).map((name) => (name.split("*")[0] ?? "").replace(/\/$/, ""));
}

function namesIn(names: string): string[] {
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** Whether a key is one of those named: `host.cpu,script.*`; undefined names all. Throws nothing. */
export function wantsOf(names: string | undefined): (key: string) => boolean {
  if (names === undefined) return () => true;
  const tests = namesIn(names).map((pattern) => matcher(pattern));
  return (key) => tests.some((test) => test(key));
}

/** A name without a subject stands for all subjects; `*` stands for any text. */
function matcher(pattern: string): (key: string) => boolean {
  const parts = (pattern.includes("/") ? pattern : `${pattern}/*`).split("*");
  const [first = "", ...rest] = parts;
  return (key) => {
    const text = key.includes("/") ? key : `${key}/`;
    if (!text.startsWith(first)) return false;
    let from = first.length;
    for (const [i, part] of rest.entries()) {
      if (i === rest.length - 1) return text.length - part.length >= from && text.endsWith(part);
      const found = text.indexOf(part, from);
      if (found === -1) return false;
      from = found + part.length;
    }
    return from === text.length;
  };
}
