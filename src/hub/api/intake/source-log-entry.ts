/**
 * What an application posts, brought into the form of a log entry. Lenient in names and forms, as people know it from
 * other intakes, and without loss: a member that has no meaning here, or a value that is not understood, becomes a field.
 */
import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { readTime } from "./source-log-time.ts";
import { levelOf } from "./source-log-level.ts";

/** An entry but for its number and its source. */
export type SourceEntry = Omit<LogEntry, "seq" | "source" | "stream">;

/** What is wrong with an entry. */
export type Wrong = { readonly wrong: string };

const messageNames = ["message", "msg", "short_message"] as const;
const levelNames = ["level", "severity", "lvl", "levelname"] as const;
const timeNames = ["at", "timestamp", "@timestamp", "time", "ts"] as const;

/** Reads one posted value; without a time of its own it happened at `nowMs`. */
export function readSourceEntry(value: unknown, nowMs: number): SourceEntry | Wrong {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { wrong: "must be an object with a message" };
  }
  const given = value as Readonly<Record<string, unknown>>;
  const messageName = messageNames.find((name) => has(given, name));
  if (messageName === undefined) return { wrong: "message is missing" };

  const levelName = levelNames.find((name) => has(given, name) && levelOf(given[name]) !== undefined);
  const timeName = timeNames.find((name) => has(given, name) && readTime(given[name]) !== undefined);
  // our own name for it is meant; another may mean something else
  if (timeName !== "at" && has(given, "at")) {
    return { wrong: "at must be a time such as 2026-01-31T12:00:00.000Z, or a number since the epoch" };
  }
  const message = given[messageName];
  const fields = fieldsOf(given, new Set([messageName, levelName, timeName]));
  return {
    at: timestamp((timeName === undefined ? undefined : readTime(given[timeName])) ?? nowMs),
    level: (levelName === undefined ? undefined : levelOf(given[levelName])) ?? "info",
    message: typeof message === "string" ? message : JSON.stringify(message),
    ...(fields === undefined ? {} : { fields }),
  };
}

function has(given: Readonly<Record<string, unknown>>, name: string): boolean {
  return Object.hasOwn(given, name) && given[name] !== null;
}

/** Members that have no meaning here, and above them those of `fields`. */
function fieldsOf(
  given: Readonly<Record<string, unknown>>,
  used: ReadonlySet<string | undefined>,
): Record<string, unknown> | undefined {
  const named = given["fields"];
  const nested = typeof named === "object" && named !== null && !Array.isArray(named);
  const rest = Object.entries(given).filter(([name]) => !used.has(name) && !(nested && name === "fields"));
  if (rest.length === 0) return nested ? (named as Record<string, unknown>) : undefined;
  // not by assignment, to which `__proto__` would be more than a name
  return { ...Object.fromEntries(rest), ...(nested ? named : {}) };
}
