/**
 * OpenTelemetry metrics over HTTP, `POST /v1/metrics`: the JSON encoding of ExportMetricsServiceRequest and its answer,
 * from opentelemetry.io/docs/specs/otlp and opentelemetry/proto/metrics/v1. Unknown members are ignored, and null stands
 * for a member that is not there, as the JSON mapping of protobuf has it.
 */
import { otlpRecord } from "./otlp.ts";
import { z } from "./schema.ts";

const text = z.nullish(z.string());
const { attributes, timeUnixNano: nanoseconds } = otlpRecord.shape;
/** 64-bit numbers travel as decimal text, and so do NaN and the infinities. */
const number = z.nullish(
  z.union([
    z.number(),
    z.string().check(z.regex(/^(?:[+-]?[\d.]{1,40}(?:[eE][+-]?\d{1,4})?|NaN|-?Infinity)$/, "must be a number")),
  ]),
);
const numbers = z.nullish(z.array(z.union([z.number(), z.string().check(z.maxLength(40))])));

/** A data point of any kind. */
export const otlpMetricPoint = z.object({
  attributes,
  startTimeUnixNano: nanoseconds,
  timeUnixNano: nanoseconds,
  flags: z.nullish(z.number()),
  asDouble: number,
  asInt: number,
  count: number,
  sum: number,
  min: number,
  max: number,
  bucketCounts: numbers,
  explicitBounds: numbers,
  quantileValues: z.nullish(z.array(z.object({ quantile: number, value: number }))),
});

const data = z.nullish(
  z.object({
    /** each checked by {@link otlpMetricPoint} for itself: a bad one is rejected alone */
    dataPoints: z.nullish(z.array(z.unknown())),
    /** 1 delta, 2 cumulative, or the name */
    aggregationTemporality: z.nullish(z.union([z.number(), z.string()])),
    isMonotonic: z.nullish(z.boolean()),
  }),
);

export const otlpMetric = z.object({
  name: text,
  description: text,
  unit: text,
  gauge: data,
  sum: data,
  histogram: data,
  exponentialHistogram: data,
  summary: data,
});

const scopeMetrics = z.object({
  scope: z.nullish(z.object({ name: text, version: text, attributes })),
  /** each checked by {@link otlpMetric} for itself */
  metrics: z.nullish(z.array(z.unknown())),
});

const resourceMetrics = z.object({
  resource: z.nullish(z.object({ attributes })),
  scopeMetrics: z.nullish(z.array(scopeMetrics)),
});

export const otlpMetricsRequest = z.object({ resourceMetrics: z.nullish(z.array(resourceMetrics)) });

/** Empty when all was taken. The count is 64 bits wide, hence text. */
export const otlpMetricsAnswer = z.object({
  partialSuccess: z.optional(z.object({ rejectedDataPoints: z.string(), errorMessage: z.string() })),
});
