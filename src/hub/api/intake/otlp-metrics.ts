/**
 * OpenTelemetry data points as numbers of series (opentelemetry.io/docs/specs/otel/metrics/data-model). What only grows
 * is a counter; what tells of a stretch (delta) is a rate over it, so that nothing has to be added up here. Histograms and
 * summaries are several series, named as Prometheus does.
 */
import { type Attributes, RecordFault } from "./otlp-entry.ts";

/** One number of a series at one moment. */
export type MetricPoint = {
  readonly name: string;
  readonly unit: string;
  readonly labels: Readonly<Record<string, string>>;
  /** it only grows, and begins again at 0 */
  readonly counter: boolean;
  readonly atMs: number;
  readonly value: number;
};

/** AggregationTemporality of metrics.proto. */
export type Temporality = "unspecified" | "delta" | "cumulative";

/** A metric in plain values, whichever way it came. */
export type PlainMetric = {
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram" | "exponential histogram" | "summary";
  readonly temporality: Temporality;
  readonly monotonic: boolean;
};

/** A data point of any kind in plain values; undefined is what it doesn't have. */
export type PlainPoint = {
  readonly attributes: Attributes;
  readonly startUnixNano: bigint;
  readonly timeUnixNano: bigint;
  /** NO_RECORDED_VALUE: the series has ended */
  readonly none: boolean;
  readonly value: number | undefined;
  readonly count: number | undefined;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** how many lie in each bucket, and its upper bounds, of which the last has none */
  readonly buckets: readonly number[];
  readonly bounds: readonly number[];
  readonly quantiles: readonly (readonly [quantile: number, value: number])[];
};

/** Of a resource: what tells one instance of an application from another; the rest would only make series longer. */
const instanceAttributes = ["service.namespace", "service.name", "service.instance.id", "host.name"];
/** Buckets of one histogram; the usual number is 16. */
const maxBuckets = 200;

const nanosPerMs = 1_000_000n;
const maxNanos = 2n ** 64n - 1n;

/** The labels that all points of a resource share. */
export function resourceLabels(resource: Attributes): Readonly<Record<string, string>> {
  return labelsOf(
    Object.fromEntries(instanceAttributes.flatMap((name) => (name in resource ? [[name, resource[name]]] : []))),
  );
}

function labelsOf(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** The numbers of a data point; none of one that says that its series has ended. @throws {RecordFault} */
export function pointsOf(
  metric: PlainMetric,
  point: PlainPoint,
  shared: Readonly<Record<string, string>>,
  nowMs: number,
): MetricPoint[] {
  if (metric.name === "") throw new RecordFault("it has no name");
  if (point.timeUnixNano > maxNanos || point.startUnixNano > maxNanos) throw new RecordFault("its time is too large");
  if (point.none) return [];
  const { name, unit } = metric;
  const labels = { ...shared, ...labelsOf(point.attributes) };
  const atMs = point.timeUnixNano === 0n ? nowMs : Number(point.timeUnixNano / nanosPerMs);
  const gauge = (suffix: string, value: number, of = unit, more: Record<string, string> = {}): MetricPoint => ({
    name: `${name}${suffix}`,
    unit: of,
    labels: { ...labels, ...more },
    counter: false,
    atMs,
    value: finite(value),
  });
  const total = (suffix: string, value: number, of = unit, more: Record<string, string> = {}): MetricPoint => {
    if (finite(value) < 0) throw new RecordFault("a sum that only grows is below 0");
    if (metric.temporality === "cumulative") return { ...gauge(suffix, value, of, more), counter: true };
    if (metric.temporality === "delta")
      return gauge(suffix, value / secondsOf(point), `${of === "" ? "1" : of}/s`, more);
    throw new RecordFault("its aggregation temporality is not given");
  };
  switch (metric.kind) {
    case "gauge":
      return [gauge("", numberOf(point.value))];
    case "sum":
      if (metric.monotonic) return [total("", numberOf(point.value))];
      if (metric.temporality === "cumulative") return [gauge("", numberOf(point.value))];
      throw new RecordFault("a sum of changes that may fall says nothing by itself; export it as cumulative");
    case "summary":
      return [
        ...point.quantiles.map(([quantile, value]) => gauge("", value, unit, { quantile: String(quantile) })),
        { ...gauge(".count", numberOf(point.count), "1"), counter: true },
        ...(point.sum === undefined ? [] : [{ ...gauge(".sum", point.sum), counter: point.sum >= 0 }]),
      ];
    case "histogram":
    case "exponential histogram":
      return [
        total(".count", numberOf(point.count), "1"),
        // of numbers below 0 a sum may fall
        ...(point.sum === undefined || point.sum < 0 ? [] : [total(".sum", point.sum)]),
        ...(point.min === undefined ? [] : [gauge(".min", point.min)]),
        ...(point.max === undefined ? [] : [gauge(".max", point.max)]),
        ...bucketsOf(point).map(([bound, count]) => total(".bucket", count, "1", { le: bound })),
      ];
  }
}

/** How many are at most at each bound, the last of which is no bound at all. */
function bucketsOf({ buckets, bounds }: PlainPoint): (readonly [bound: string, count: number])[] {
  if (buckets.length === 0) return [];
  if (buckets.length !== bounds.length + 1) throw new RecordFault("its buckets don't fit its bounds");
  if (buckets.length > maxBuckets) throw new RecordFault(`it has more than ${maxBuckets} buckets`);
  let sum = 0;
  return buckets.map((count, i) => [i < bounds.length ? String(bounds[i]) : "+Inf", (sum += count)] as const);
}

function secondsOf({ startUnixNano, timeUnixNano }: PlainPoint): number {
  const nanos = timeUnixNano - startUnixNano;
  if (startUnixNano === 0n || nanos <= 0n) throw new RecordFault("it does not say since when its change counts");
  return Number(nanos) / 1e9;
}

function numberOf(value: number | undefined): number {
  if (value === undefined) throw new RecordFault("it has no value");
  return value;
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new RecordFault("its value is not a finite number");
  return value;
}
