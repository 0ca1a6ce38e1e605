/** ExportLogsServiceRequest in JSON (the JSON mapping of protobuf, with the exceptions that OTLP makes). */
import { reasonOf } from "#src/protocol/fault.ts";
import { type OtlpKeyValue, type OtlpRecord, otlpLogsRequest, otlpRecord } from "#src/protocol/otlp.ts";
import { check, firstIssue, z } from "#src/protocol/schema.ts";
import { refuseManyValues } from "./weight.ts";
import { type Collect, originOf } from "./otlp-collect.ts";
import { type Attributes, type PlainRecord, RecordFault, maxDepth, plainInteger, plainNumber } from "./otlp-entry.ts";
import { HttpFault } from "../problem.ts";

/** Gives every record of the request to `collect`. Throws a Fault or HttpFault 400 when it is none. */
export function readJsonLogs(bytes: Uint8Array, collect: Collect): void {
  refuseManyValues(bytes);
  const { resourceLogs } = check(otlpLogsRequest, parse(bytes), "the request");
  for (const { resource, scopeLogs } of resourceLogs ?? []) {
    const shared = topAttributes(resource?.attributes);
    for (const { scope, logRecords } of scopeLogs ?? []) {
      const named = scope && {
        name: scope.name ?? "",
        version: scope.version ?? "",
        attributes: topAttributes(scope.attributes),
      };
      const origin = originOf(shared, named ?? undefined);
      for (const record of logRecords ?? []) collect(origin, () => readRecord(record));
    }
  }
}

export function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch (error) {
    throw new HttpFault(400, `the body is not JSON: ${reasonOf(error).slice(0, 200)}`);
  }
}

/** Attributes of a resource or scope, without which no record can be taken. */
export function topAttributes(pairs: readonly OtlpKeyValue[] | null | undefined): Attributes {
  try {
    return attributesOf(pairs, 0);
  } catch (error) {
    if (error instanceof RecordFault) throw new HttpFault(400, `the resource or scope: ${error.message}`);
    throw error;
  }
}

function readRecord(value: unknown): PlainRecord {
  const result = z.core.safeParse(otlpRecord, value);
  if (!result.success) throw new RecordFault(firstIssue(result.error, value));
  const record: OtlpRecord = result.data;
  return {
    timeUnixNano: nanosOf(record.timeUnixNano),
    observedTimeUnixNano: nanosOf(record.observedTimeUnixNano),
    severityNumber: record.severityNumber ?? 0,
    severityText: record.severityText ?? "",
    body: record.body === undefined || record.body === null ? undefined : valueOf(record.body, 0),
    attributes: attributesOf(record.attributes, 0),
    flags: record.flags ?? 0,
    traceId: record.traceId?.toLowerCase() ?? "",
    spanId: record.spanId?.toLowerCase() ?? "",
    eventName: record.eventName ?? "",
  };
}

export function nanosOf(value: string | number | null | undefined): bigint {
  return BigInt(typeof value === "number" ? Math.trunc(value) : (value ?? 0));
}

export function attributesOf(pairs: readonly OtlpKeyValue[] | null | undefined, depth: number): Attributes {
  return Object.fromEntries((pairs ?? []).map(({ key, value }) => [key, valueOf(value, depth)]));
}

/** An AnyValue. One that says nothing, or nothing known, is null. */
function valueOf(value: unknown, depth: number): unknown {
  if (depth >= maxDepth) throw new RecordFault(`its values are nested deeper than ${maxDepth}`);
  if (typeof value !== "object" || value === null) return null;
  const any = value as Readonly<Record<string, unknown>>;
  for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
    if (Object.hasOwn(any, kind) && any[kind] !== null) return kinds[kind](any[kind], depth);
  }
  return null;
}

const kinds = {
  stringValue: (value: unknown) => (typeof value === "string" ? value : wrong("stringValue")),
  boolValue: (value: unknown) => (typeof value === "boolean" ? value : wrong("boolValue")),
  intValue(value: unknown) {
    // exporters in JavaScript write numbers, also those that are not exact any more
    if (Number.isInteger(value) && Math.abs(value as number) <= 2 ** 63) return plainInteger(BigInt(value as number));
    return typeof value === "string" && /^-?\d{1,19}$/.test(value) ? plainInteger(BigInt(value)) : wrong("intValue");
  },
  doubleValue(value: unknown) {
    if (typeof value === "number") return plainNumber(value);
    return typeof value === "string" && value.length < 40 ? plainNumber(Number(value)) : wrong("doubleValue");
  },
  arrayValue: (value: unknown, depth: number) => itemsOf(value, "arrayValue").map((item) => valueOf(item, depth + 1)),
  kvlistValue(value: unknown, depth: number) {
    const pairs = z.core.safeParse(otlpRecord.shape.attributes, itemsOf(value, "kvlistValue"));
    return pairs.success ? attributesOf(pairs.data, depth + 1) : wrong("kvlistValue");
  },
  bytesValue: (value: unknown) => (typeof value === "string" ? value : wrong("bytesValue")),
} as const;

function itemsOf(value: unknown, kind: string): readonly unknown[] {
  const items = typeof value === "object" && value !== null && "values" in value ? value.values : [];
  return Array.isArray(items) ? items : wrong(kind);
}

function wrong(kind: string): never {
  throw new RecordFault(`${kind} is not what it should be`);
}
