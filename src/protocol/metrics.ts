/** Metrics over time, as pages and programs ask for them. Times are RFC 3339 in UTC, `step` is in seconds. */
import { z } from "./schema.ts";

const at = z.iso.datetime();

/** What a number is of; a rate says what it is of a second. */
export const metricUnits = ["percent", "bytes", "bytes/s", "seconds", "1"] as const;

/** Most values of one series in an answer. */
export const maxSteps = 2000;

/** `GET /api/servers/:id/metrics`. */
export const metricsQuery = z.object({
  /** an hour before `to` unless told */
  from: z.optional(at),
  /** now unless told */
  to: z.optional(at),
  /** seconds that each value stands for; as fit for a chart unless told; the answer may have a larger one */
  step: z.optional(z.coerce.number().check(z.minimum(1), z.maximum(366 * 86_400), z.multipleOf(1))),
  /** names with commas between them, `*` for anything: `host.cpu,script.*`, `container.cpu/web`; all unless told */
  series: z.optional(z.string().check(z.maxLength(2000))),
});
export type MetricsQuery = z.infer<typeof metricsQuery>;

const values = z.array(z.nullable(z.number()));

export const metricSeries = z.object({
  /** what is measured: `host.cpu`, `script.memory`, `container.network.rx` */
  name: z.string(),
  /** which script or container; null: there is only one */
  subject: z.nullable(z.string()),
  /** what tells apart series of an application's own metrics */
  labels: z.optional(z.record(z.string(), z.string())),
  /** percent (0-100; of one core for scripts and containers), bytes, bytes/s, seconds, 1; of applications whatever they say */
  unit: z.string(),
  /** means; value `i` is of the `step` seconds from `from` + i * `step` on; null: nothing is known of them */
  values,
  /** lowest and highest of the samples behind each mean; left out where each is a single sample */
  min: z.optional(values),
  max: z.optional(values),
});
export type MetricSeries = z.infer<typeof metricSeries>;

/** Something that happened in the stretch. */
export const metricMark = z.object({
  /** of the event */
  id: z.string(),
  at,
  /** of the event, such as `script.crashed` */
  type: z.string(),
  /** the script or container that it happened to; null: the agent */
  subject: z.nullable(z.string()),
});
export type MetricMark = z.infer<typeof metricMark>;

export const metricsAnswer = z.object({
  /** both ends on whole steps */
  from: at,
  to: at,
  step: z.number(),
  /** seconds that the points stand for which the values are made of; 0: samples as they came */
  resolution: z.number(),
  series: z.array(metricSeries),
  /** oldest first; the newest of them, if there are very many */
  marks: z.array(metricMark),
});
export type MetricsAnswer = z.infer<typeof metricsAnswer>;
