/**
 * Entries that applications post themselves, `POST /api/logs`: what common loggers write is taken as it is. Names that
 * this schema doesn't know become fields, so nothing that was sent is lost.
 */
import { z } from "./schema.ts";

/** Every name is optional, but a message must be there under one of its names. */
export const applicationEntry = z.looseObject({
  /** text; anything else is kept as JSON. Also `msg` (pino, zap, bunyan) or `short_message` (GELF) */
  message: z.optional(z.unknown()),
  msg: z.optional(z.unknown()),
  short_message: z.optional(z.unknown()),
  /**
   * a name in any case (trace, debug, info, notice, warn, error, critical, fatal, …), pino's numbers (10 to 60) or a
   * syslog severity (0 to 7); info when there is none. Also `severity`, `lvl` or `levelname`
   */
  level: z.optional(z.unknown()),
  severity: z.optional(z.unknown()),
  lvl: z.optional(z.unknown()),
  levelname: z.optional(z.unknown()),
  /**
   * RFC 3339 with any offset, or a number since the epoch, whose size tells seconds from milli-, micro- and nanoseconds;
   * the time of arrival when there is none. Also `timestamp`, `@timestamp`, `time` or `ts`
   */
  at: z.optional(z.union([z.string(), z.number()])),
  timestamp: z.optional(z.unknown()),
  "@timestamp": z.optional(z.unknown()),
  time: z.optional(z.unknown()),
  ts: z.optional(z.unknown()),
  /** anything more; members that have no meaning here are put beside these */
  fields: z.optional(z.unknown()),
});

/** One entry, or several. The body may also be NDJSON: one entry a line. */
export const applicationEntries = z.union([applicationEntry, z.array(applicationEntry)]);
