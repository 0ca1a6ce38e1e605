/** Log entries as they lie in the spool and cross the wire: NDJSON, one entry a line. */
import { levels } from "./level.ts";
import { z } from "./schema.ts";

export { type Level, levels } from "./level.ts";

/** Where a line came from; `http`: an application sent it to the hub itself. */
export const streams = ["stdout", "stderr", "cli", "container", "http"] as const;
export type Stream = (typeof streams)[number];

/** Longest message, in characters; a longer line travels in pieces that `fields.part` numbers. */
export const maxMessageLength = 1_048_576;

/** Largest request body on the wire (compressed) and after decompression, in bytes. */
export const maxBodyBytes = 8 * 1024 * 1024;
export const maxInflatedBytes = 64 * 1024 * 1024;

/** Source names: what a person types; no white space or control characters, at most 128 characters. */
export const sourceName = z.string().check(z.regex(/^[^\s\u0000-\u001f\u007f]{1,128}$/u));

/**
 * One log entry. `seq` counts all entries of a server, events included, and never goes back; the hub removes repeats
 * with it. `at` is RFC 3339 UTC.
 */
export const logEntry = z.object({
  seq: z.number().check(z.nonnegative(), z.multipleOf(1)),
  at: z.iso.datetime(),
  source: sourceName,
  stream: z.enum(streams),
  level: z.enum(levels),
  message: z.string(),
  fields: z.optional(z.record(z.string(), z.unknown())),
});
export type LogEntry = z.infer<typeof logEntry>;

/** Answer 202 to `POST /api/v1/agent/logs`: durable on the hub. */
export const logsAnswer = z.object({ accepted: z.number(), duplicates: z.number() });
export type LogsAnswer = z.infer<typeof logsAnswer>;
