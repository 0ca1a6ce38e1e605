/**
 * What the hub's stores tell of themselves, each as much as it knows: the hallway puts together what state, logs and
 * metrics say, wherever they lie. A figure that nobody gives is left out.
 */
import type { LatencyFigures } from "#src/lib/latencies.ts";
import type { Family } from "./exposition.ts";
import type { OwnFigure } from "./latest.ts";

/** What waits to be stored. */
export type QueueFigures = {
  readonly items?: number;
  readonly bytes?: number;
  /** since the oldest of it came; null: nothing waits */
  readonly oldestMs?: number | null;
};

export type StoreFigures = {
  /** stores beyond this process by name, and whether each answered when it was last needed */
  readonly up?: Readonly<Record<string, boolean>>;
  /** by name: `logs`, `log-inserts`, `metrics`, … */
  readonly queues?: Readonly<Record<string, QueueFigures>>;
  /** how long writes took, by the store that took them and what was written */
  readonly writes?: readonly {
    readonly store: string;
    readonly what: string;
    readonly latencies: LatencyFigures;
  }[];
  /** the position of the newest log line, and of the newest that tails and error groups may read */
  readonly logs?: { readonly head: number; readonly safeHead: number };
  /** positions of log lines that error groups have not seen yet; of the hub that groups */
  readonly errorsBehind?: number;
  /** since the hub last made sure that the others count it in */
  readonly membershipAgeMs?: number;
  /** duties that exactly one hub has, and whether it is this one */
  readonly duties?: Readonly<Record<string, boolean>>;
  /** what was taken and could not be kept after all, by what it is */
  readonly dropped?: Readonly<Record<string, number>>;
  /** what was not taken, by what it is; whoever sent it was told */
  readonly refused?: Readonly<Record<string, number>>;
};

const gauge = (name: string, help: string): Family => ({ name: `orion_hub_${name}`, type: "gauge", help });
const counter = (name: string, help: string): Family => ({
  name: `orion_hub_${name}_total`,
  type: "counter",
  help,
});

const families = {
  up: gauge("store_up", "Whether a database beyond the hub answered (1) when it was last needed, or not (0)."),
  items: gauge("waiting_items", "What waits to be stored."),
  bytes: gauge("waiting_bytes", "Bytes that wait to be stored."),
  age: gauge("waiting_age_seconds", "How long the oldest of what waits has been waiting."),
  writes: {
    name: "orion_hub_store_write_seconds",
    type: "histogram",
    help: "How long writes took.",
  },
  head: gauge("log_head", "Position of the newest log line."),
  safeHead: gauge("log_safe_head", "Position up to which live tails and error groups read."),
  errorsBehind: gauge("errors_behind_lines", "Log lines that error groups have not seen yet."),
  membership: gauge("membership_age_seconds", "Since the hub last renewed its place among the hubs."),
  duty: gauge("duty", "Whether this hub has a duty (1) that exactly one hub has, or not (0)."),
  dropped: counter("dropped", "What was taken and could not be kept."),
  refused: counter("refused", "What was not taken."),
} as const satisfies Readonly<Record<string, Family>>;

/** As figures for Prometheus. */
export function figuresOf(store: StoreFigures): readonly OwnFigure[] {
  const { logs } = store;
  return [
    ...labelled(families.up, "store", store.up),
    ...Object.entries(store.queues ?? {}).flatMap(([queue, one]) => queueOf(queue, one)),
    ...(store.writes ?? []).flatMap(({ store: name, what, latencies }) =>
      histogramOf(families.writes, { store: name, what }, latencies),
    ),
    ...one(families.head, logs?.head),
    ...one(families.safeHead, logs?.safeHead),
    ...one(families.errorsBehind, store.errorsBehind),
    ...one(families.membership, secondsOf(store.membershipAgeMs)),
    ...labelled(families.duty, "duty", store.duties),
    ...labelled(families.dropped, "what", store.dropped),
    ...labelled(families.refused, "what", store.refused),
  ];
}

function one(family: Family, value: number | undefined, labels: Readonly<Record<string, string>> = {}): OwnFigure[] {
  return value === undefined ? [] : [{ family, labels, value }];
}

function labelled(
  family: Family,
  label: string,
  values: Readonly<Record<string, number | boolean>> | undefined,
): OwnFigure[] {
  return Object.entries(values ?? {}).map(([name, value]) => ({
    family,
    labels: { [label]: name },
    value: Number(value),
  }));
}

function queueOf(queue: string, { items, bytes, oldestMs }: QueueFigures): OwnFigure[] {
  const age = oldestMs === undefined ? undefined : secondsOf(oldestMs ?? 0);
  return [
    ...one(families.items, items, { queue }),
    ...one(families.bytes, bytes, { queue }),
    ...one(families.age, age, { queue }),
  ];
}

function histogramOf(
  family: Family,
  labels: Readonly<Record<string, string>>,
  { buckets, count, sumSeconds }: LatencyFigures,
): OwnFigure[] {
  const bucket = (end: string, value: number): OwnFigure => ({
    family,
    suffix: "_bucket",
    labels: { ...labels, le: end },
    value,
  });
  return [
    ...buckets.map(({ atMost, count: own }) => bucket(String(atMost), own)),
    bucket("+Inf", count),
    { family, suffix: "_sum", labels, value: sumSeconds },
    { family, suffix: "_count", labels, value: count },
  ];
}

function secondsOf(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000;
}
