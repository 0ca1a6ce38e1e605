/**
 * OpenTelemetry logs over HTTP, `POST /v1/logs`: the JSON encoding of ExportLogsServiceRequest and its answer, from
 * opentelemetry.io/docs/specs/otlp and opentelemetry/proto/{logs,common,resource}/v1. Unknown members are ignored, and
 * null stands for a member that is not there, as the JSON mapping of protobuf has it.
 */
import { z } from "./schema.ts";

/** 64-bit numbers travel as decimal text; a number is understood too. */
const nanoseconds = z.nullish(
  z.union([z.string().check(z.regex(/^\d{1,20}$/, "must be a decimal number")), z.number().check(z.nonnegative())]),
);
const text = z.nullish(z.string());
const id = z.nullish(z.string().check(z.regex(/^[0-9a-fA-F]{0,64}$/, "must be hexadecimal")));

/** `value` is an AnyValue: an object with one of stringValue, boolValue, intValue, doubleValue, arrayValue, … */
const keyValue = z.object({ key: z.string(), value: z.nullish(z.unknown()) });
const attributes = z.nullish(z.array(keyValue));
export type OtlpKeyValue = z.infer<typeof keyValue>;

export const otlpRecord = z.object({
  timeUnixNano: nanoseconds,
  observedTimeUnixNano: nanoseconds,
  severityNumber: z.nullish(z.number()),
  severityText: text,
  body: z.nullish(z.unknown()),
  attributes,
  flags: z.nullish(z.number()),
  traceId: id,
  spanId: id,
  eventName: text,
});
export type OtlpRecord = z.infer<typeof otlpRecord>;

const scopeLogs = z.object({
  scope: z.nullish(z.object({ name: text, version: text, attributes })),
  /** each checked by {@link otlpRecord} for itself: a bad one is rejected alone */
  logRecords: z.nullish(z.array(z.unknown())),
});

const resourceLogs = z.object({
  resource: z.nullish(z.object({ attributes })),
  scopeLogs: z.nullish(z.array(scopeLogs)),
});

export const otlpLogsRequest = z.object({ resourceLogs: z.nullish(z.array(resourceLogs)) });

/** Empty when all was taken. The count is 64 bits wide, hence text. */
export const otlpLogsAnswer = z.object({
  partialSuccess: z.optional(z.object({ rejectedLogRecords: z.string(), errorMessage: z.string() })),
});
