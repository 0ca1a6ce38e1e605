/** Whether a parsed value is a log entry: what the schema checks, by hand and three times as fast. */
import { parseInstant } from "#src/lib/instant.ts";
import { type LogEntry, levels, maxMessageLength, sourceName, streams } from "../log.ts";
import { z } from "../schema.ts";

const secondsEnd = "2026-01-31T12:00:00Z".length;
const knownLevels: ReadonlySet<unknown> = new Set(levels);
const knownStreams: ReadonlySet<unknown> = new Set(streams);

/** Milliseconds since the epoch of an entry; undefined: the value is none, or not one that is short enough. */
export function timeOfEntry(value: unknown, knownSources: { has(name: string): boolean }): number | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entry = value as Partial<Record<keyof LogEntry, unknown>>;
  if (!Number.isSafeInteger(entry.seq) || (entry.seq as number) < 0) return undefined;
  if (typeof entry.at !== "string" || typeof entry.message !== "string" || typeof entry.source !== "string")
    return undefined;
  if (entry.message.length > maxMessageLength) return undefined;
  const ms = parseInstant(entry.at);
  // the schema wants seconds
  if (Number.isNaN(ms) || entry.at.length < secondsEnd) return undefined;
  if (!knownSources.has(entry.source) && !isSourceName(entry.source)) return undefined;
  if (!knownLevels.has(entry.level) || !knownStreams.has(entry.stream)) return undefined;
  const { fields } = entry;
  if (fields !== undefined && (typeof fields !== "object" || fields === null || Array.isArray(fields)))
    return undefined;
  return ms;
}

export function isSourceName(name: string): boolean {
  return z.core.safeParse(sourceName, name).success;
}

/** Whether all are entries; writes the time of each into `times`. */
export function areEntries(values: readonly unknown[], times: Float64Array): values is LogEntry[] {
  const sources = new Set<string>();
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const ms = timeOfEntry(value, sources);
    if (ms === undefined) return false;
    times[i] = ms;
    sources.add((value as LogEntry).source);
  }
  return true;
}
