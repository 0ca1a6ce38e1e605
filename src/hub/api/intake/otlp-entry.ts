/** OpenTelemetry log records as log entries. Nothing is lost: what has no place of its own goes into the fields. */
import { timestamp } from "#src/lib/clock.ts";
import type { Level } from "#src/protocol/log.ts";
import type { SourceEntry } from "./source-log-entry.ts";
import { levelOf } from "./source-log-level.ts";

/** Attributes, as plain values by name. */
export type Attributes = Readonly<Record<string, unknown>>;

/** A record in plain values, whichever way it came; empty text and 0 are what is not there. */
export type PlainRecord = {
  readonly timeUnixNano: bigint;
  readonly observedTimeUnixNano: bigint;
  readonly severityNumber: number;
  readonly severityText: string;
  /** undefined: none */
  readonly body: unknown;
  readonly attributes: Attributes;
  readonly flags: number;
  /** hexadecimal, lower case */
  readonly traceId: string;
  readonly spanId: string;
  readonly eventName: string;
};

/** What records of one scope share; already in the form of fields. */
export type Origin = Readonly<Record<"resource" | "scope", Attributes | undefined>>;

/** Why a record can't be taken; the others can. */
export class RecordFault extends Error {}

/** Levels of values inside one another; more is an attack or a mistake. */
export const maxDepth = 64;

const nanosPerMs = 1_000_000n;
/** A fixed64, which ends in the year 2554. */
const maxNanos = 2n ** 64n - 1n;

/** The entry that a record stands for; `nowMs` is its time if it has none. @throws {RecordFault} */
export function otlpEntry(record: PlainRecord, origin: Origin, nowMs: number): SourceEntry {
  const observed = record.timeUnixNano === 0n;
  const nanos = observed ? record.observedTimeUnixNano : record.timeUnixNano;
  if (nanos > maxNanos) throw new RecordFault("its time is too large");
  const ms = nanos === 0n ? nowMs : Number(nanos / nanosPerMs);
  const level = levelOfSeverity(record.severityNumber) ?? levelOf(record.severityText) ?? "info";
  const fields = Object.entries({
    ...origin,
    attributes: isEmpty(record.attributes) ? undefined : record.attributes,
    eventName: record.eventName,
    traceId: isZero(record.traceId) ? undefined : record.traceId,
    spanId: isZero(record.spanId) ? undefined : record.spanId,
    flags: record.flags,
    // what the level doesn't say
    severityNumber: baseNumbers.has(record.severityNumber) ? 0 : record.severityNumber,
    severityText: record.severityText.toLowerCase() === level ? "" : record.severityText,
    // finer than `at`
    [observed ? "observedTimeUnixNano" : "timeUnixNano"]: nanos % nanosPerMs === 0n ? undefined : String(nanos),
  }).filter(([, value]) => value !== undefined && value !== "" && value !== 0);
  return {
    at: timestamp(ms),
    level,
    message: messageOf(record),
    ...(fields.length === 0 ? {} : { fields: Object.fromEntries(fields) }),
  };
}

function messageOf({ body, eventName }: PlainRecord): string {
  if (body === undefined || body === null) return eventName;
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** The number that each level has without a degree: DEBUG, INFO, WARN, ERROR, FATAL. */
const baseNumbers: ReadonlySet<number> = new Set([5, 9, 13, 17, 21]);

/** SeverityNumber of logs.proto: four degrees of each, TRACE from 1 to FATAL from 21. */
function levelOfSeverity(number: number): Level | undefined {
  if (!Number.isInteger(number) || number < 1 || number > 24) return undefined;
  if (number >= 21) return "fatal";
  if (number >= 17) return "error";
  if (number >= 13) return "warn";
  return number >= 9 ? "info" : "debug";
}

export function isEmpty(value: Attributes): boolean {
  for (const _ in value) return false;
  return true;
}

/** An id of zeros is no id (logs.proto). */
function isZero(id: string): boolean {
  return /^0*$/.test(id);
}

/** What JSON can't write as a number is written as text. */
export function plainNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}

/** A 64-bit number, as text when it would not be exact. */
export function plainInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}
