/** How long something takes, gathered for Prometheus: so many took at most so long (a histogram). */

/** Upper ends of the stretches that are told apart, in seconds. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

export type LatencyFigures = {
  /** how many took at most so many seconds, growing; those that took longer are in `count` alone */
  readonly buckets: readonly { readonly atMost: number; readonly count: number }[];
  readonly count: number;
  readonly sumSeconds: number;
};

export type Latencies = {
  readonly observe: (milliseconds: number) => void;
  readonly read: () => LatencyFigures;
};

export function createLatencies(): Latencies {
  const counts = new Float64Array(bounds.length);
  let count = 0;
  let sumSeconds = 0;
  return {
    observe(milliseconds) {
      const seconds = milliseconds / 1000;
      count++;
      sumSeconds += seconds;
      const at = bounds.findIndex((bound) => seconds <= bound);
      if (at !== -1) counts[at] = (counts[at] ?? 0) + 1;
    },
    read() {
      let sum = 0;
      const buckets = bounds.map((atMost, i) => ({ atMost, count: (sum += counts[i] ?? 0) }));
      return { buckets, count, sumSeconds };
    },
  };
}
