/** Series of numbers over time: how rooms of the hub speak of them. Nothing here crosses a wire. */

/** How finely numbers are kept. */
export type Scale = {
  /** the finest step */
  readonly unit: number;
  /** a number is off by at most 1 part in 2^(bits + 1), or half a unit */
  readonly bits: number;
};

/** One number of a kind of thing: `cpu` of scripts. */
export type Metric = {
  readonly name: string;
  /** it only grows, and begins again at 0; read back as a rate a second */
  readonly counter: boolean;
  readonly scale: Scale;
};

/** What is measured of a kind of thing, in a fixed order: `script` with cpu, memory, … */
export type Template = { readonly name: string; readonly metrics: readonly Metric[] };

/** A thing that is measured: one script. The name is empty where there is only one of its kind, such as the host. */
export type Subject = { readonly template: Template; readonly name: string };

/** The key of a series: what is measured, and of which thing after a slash. `script.cpu/api-backend` */
export function keyOf({ template, name }: Subject, metric: Pick<Metric, "name">): string {
  return name === "" ? `${template.name}.${metric.name}` : `${template.name}.${metric.name}/${name}`;
}

/** Averages are kept for longer than what they are made of. Seconds that one point stands for; 0: as it came. */
export const tiers = [0, 300, 3600] as const;
export type Tier = (typeof tiers)[number];

/**
 * A series by time, seconds since the epoch. Of the raw tier, minimum, mean and maximum are the same number; of the
 * others, a point stands for the stretch that begins with it. A stretch without a sample has no point.
 */
export type Series = {
  /** see {@link keyOf} */
  readonly key: string;
  readonly times: readonly number[];
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  /** samples behind each point */
  readonly count: readonly number[];
};

export type SeriesQuery = {
  readonly tier: Tier;
  /** seconds since the epoch, from <= t < to */
  readonly fromS: number;
  readonly toS: number;
  /** which series, by key; all unless told */
  readonly wants?: (key: string) => boolean;
  /** a key that is wanted begins with one of these: where series lie elsewhere, no others need to travel */
  readonly prefixes?: readonly string[];
};

/** How long each tier is kept, in seconds. */
export type SeriesRetention = { readonly raw: number; readonly minutes: number; readonly hours: number };
