/** ExportMetricsServiceRequest in JSON (the JSON mapping of protobuf, with the exceptions that OTLP makes). */
import { otlpMetric, otlpMetricPoint, otlpMetricsRequest } from "#src/protocol/otlp-metrics.ts";
import { check, firstIssue, z } from "#src/protocol/schema.ts";
import { refuseManyValues } from "./weight.ts";
import { RecordFault } from "./otlp-entry.ts";
import { attributesOf, nanosOf, parse, topAttributes } from "./otlp-json.ts";
import { type PlainMetric, type PlainPoint, type Temporality, pointsOf, resourceLabels } from "./otlp-metrics.ts";
import type { CollectPoint } from "./otlp-metrics-collect.ts";

const temporalities: Readonly<Record<string, Temporality>> = {
  1: "delta",
  2: "cumulative",
  AGGREGATION_TEMPORALITY_DELTA: "delta",
  AGGREGATION_TEMPORALITY_CUMULATIVE: "cumulative",
};

const kinds = {
  gauge: "gauge",
  sum: "sum",
  histogram: "histogram",
  exponentialHistogram: "exponential histogram",
  summary: "summary",
} as const;

/** Gives every data point of the request to `collect`. Throws a Fault or HttpFault 400 when it is none. */
export function readJsonMetrics(bytes: Uint8Array, collect: CollectPoint, nowMs: number): void {
  refuseManyValues(bytes);
  const { resourceMetrics } = check(otlpMetricsRequest, parse(bytes), "the request");
  for (const { resource, scopeMetrics } of resourceMetrics ?? []) {
    const shared = resourceLabels(topAttributes(resource?.attributes));
    for (const { metrics } of scopeMetrics ?? []) {
      for (const value of metrics ?? []) {
        const read = metricOf(value);
        if (read === undefined) collect("a metric", () => fail("is not one"));
        else {
          const { metric, points } = read;
          for (const point of points) {
            collect(metric.name, () => pointsOf(metric, pointOf(point), shared, nowMs));
          }
        }
      }
    }
  }
}

function fail(why: string): never {
  throw new RecordFault(why);
}

function metricOf(value: unknown): { readonly metric: PlainMetric; readonly points: readonly unknown[] } | undefined {
  const result = z.core.safeParse(otlpMetric, value);
  if (!result.success) return undefined;
  const { name, unit } = result.data;
  for (const key of Object.keys(kinds) as (keyof typeof kinds)[]) {
    const data = result.data[key];
    if (data === undefined || data === null) continue;
    const temporality = temporalities[String(data.aggregationTemporality)] ?? "unspecified";
    return {
      metric: {
        name: name ?? "",
        unit: unit ?? "",
        kind: kinds[key],
        temporality,
        monotonic: data.isMonotonic === true,
      },
      points: data.dataPoints ?? [],
    };
  }
  // of a kind that is not known, which is for newer receivers
  return undefined;
}

function pointOf(value: unknown): PlainPoint {
  const result = z.core.safeParse(otlpMetricPoint, value);
  if (!result.success) throw new RecordFault(firstIssue(result.error, value));
  const point = result.data;
  return {
    attributes: attributesOf(point.attributes, 0),
    startUnixNano: nanosOf(point.startTimeUnixNano),
    timeUnixNano: nanosOf(point.timeUnixNano),
    none: ((point.flags ?? 0) & 1) === 1,
    value: numberOf(point.asDouble) ?? numberOf(point.asInt),
    count: numberOf(point.count),
    sum: numberOf(point.sum),
    min: numberOf(point.min),
    max: numberOf(point.max),
    buckets: (point.bucketCounts ?? []).map(Number),
    bounds: (point.explicitBounds ?? []).map(Number),
    quantiles: (point.quantileValues ?? []).map(({ quantile, value: at }) => [Number(quantile ?? 0), Number(at ?? 0)]),
  };
}

/** Numbers of 64 bits and those that JSON can't write travel as text. */
function numberOf(value: string | number | null | undefined): number | undefined {
  return value === undefined || value === null ? undefined : Number(value);
}
