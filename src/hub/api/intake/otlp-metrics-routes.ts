/** Metrics of OpenTelemetry's exporters and collectors, with a source's token (`OTEL_EXPORTER_OTLP_HEADERS`). */
import type { z } from "#src/protocol/schema.ts";
import { otlpMetricsAnswer, otlpMetricsRequest } from "#src/protocol/otlp-metrics.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { type Encoding, encodingOf, exportAnswer, failureAnswer } from "./otlp-answer.ts";
import type { MetricPoint } from "./otlp-metrics.ts";
import { collectPoints } from "./otlp-metrics-collect.ts";
import { readJsonMetrics } from "./otlp-metrics-json.ts";
import { readProtobufMetrics } from "./otlp-metrics-protobuf.ts";
import { WireFault } from "./otlp-wire.ts";
import type { RateLimiter } from "./rate.ts";
import type { Intake } from "./source-log-intake.ts";

const readers = { json: readJsonMetrics, protobuf: readProtobufMetrics } as const;

export type MetricIntake = {
  /** Takes points of a source. @returns how many were not taken, and why the first was not */
  take(sourceId: string, points: readonly MetricPoint[]): { readonly refused: number; readonly reason: string };
};

export type OtlpMetricDeps = {
  readonly intake: Pick<Intake, "receive" | "now">;
  readonly rate: Pick<RateLimiter, "charge">;
  readonly metrics: MetricIntake;
};

export function otlpMetricRoutes({ intake, rate, metrics }: OtlpMetricDeps): Route[] {
  const read = (encoding: Encoding, plain: Uint8Array) =>
    collectPoints((collect) => {
      try {
        readers[encoding](plain, collect, intake.now());
      } catch (error) {
        if (!(error instanceof WireFault)) throw error;
        throw new HttpFault(400, `the body is not an export request: ${error.message}`);
      }
    });

  return [
    route({
      method: "POST",
      path: "/v1/metrics",
      permission: "source",
      group: "Metrics",
      summary: "Metrics from an application by OpenTelemetry (OTLP/HTTP, JSON or protobuf)",
      body: otlpMetricsRequest,
      bodyTypes: ["application/json", "application/x-protobuf"],
      answer: otlpMetricsAnswer,
      // the specification wants a Status in the encoding of the request for whatever is no success
      refuse: (request, thrown) => failureAnswer(encodingOf(request) ?? "json", thrown),
      async handle({ request, caller }) {
        const encoding = encodingOf(request);
        if (encoding === undefined) throw new HttpFault(415, "send application/x-protobuf or application/json");
        return await intake.receive(request, caller, {
          read: (plain) => ({ ...read(encoding, plain), bytes: plain.length }),
          async store({ points, rejected, reason, bytes }) {
            // each number counts as a line
            rate.charge(caller.sourceId, points.length, bytes);
            const { refused, reason: refusal } = metrics.take(caller.sourceId, points);
            return answer(encoding, rejected + refused, rejected > 0 ? reason : refusal);
          },
        });
      },
    }),
  ];
}

/** ExportMetricsServiceResponse. Its fields have the numbers that those of logs have, but not their names. */
function answer(encoding: Encoding, rejected: number, reason: string): Response {
  if (encoding === "protobuf" || rejected === 0) return exportAnswer(encoding, rejected, reason);
  const partial: z.infer<typeof otlpMetricsAnswer> = {
    partialSuccess: { rejectedDataPoints: String(rejected), errorMessage: reason },
  };
  return Response.json(partial);
}
