/** What searches of log entries are asked with over HTTP, and what they answer. */
import { logFilter, logsPage, storedEntry } from "./api.ts";
import { streams } from "./log.ts";
import { metricMark } from "./metrics.ts";
import { z } from "./schema.ts";

const whole = (least: number, most: number) =>
  z.coerce.number().check(z.minimum(least), z.maximum(most), z.multipleOf(1));

/** Milliseconds that a search may take, unless told, and at most. */
export const searchBudgetMs = { usual: 10_000, most: 60_000 } as const;

/** `q` is of the query language (docs/search.md). */
export const logSelection = z.extend(logFilter, { stream: z.optional(z.enum(streams)) });

/** Milliseconds after which the answer is what was found until then. */
const budget = z._default(whole(1, searchBudgetMs.most), searchBudgetMs.usual);

/** `marks=true`: with the events of the same servers and sources. */
const withMarks = z._default(z.enum(["true", "false"]), "false");

/** Something that happened to a server, script or container in the stretch of an answer. */
export const logMark = z.extend(metricMark, {
  serverId: z.string(),
  /** of `logs.dropped`: how many */
  lines: z.optional(z.number()),
});
export type LogMark = z.infer<typeof logMark>;

/** Oldest first; `marksCut`: there were more, and these are the newest. */
export const logMarks = z.object({ marks: z.array(logMark), marksCut: z.boolean() });
export type LogMarks = z.infer<typeof logMarks>;

export const logSearch = z.extend(logSelection, {
  order: z._default(z.enum(["newest", "oldest"]), "newest"),
  limit: z._default(whole(1, 1000), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
  budget,
  marks: withMarks,
});

/**
 * The page of a search. `stoppedEarly`: it ended before it had `limit` entries, and goes on at the cursor. `damaged`:
 * so many blocks were passed over, because they can't be read.
 */
export const searchPage = z.extend(logsPage, {
  stoppedEarly: z.nullable(z.enum(["time", "memory"])),
  damaged: z.number(),
  marks: z.optional(logMarks.shape.marks),
  marksCut: z.optional(logMarks.shape.marksCut),
});
export type SearchPage = z.infer<typeof searchPage>;

/** How far a search is: lines looked at or ruled out, bytes of their messages, and the time it has come to. */
export const searchProgress = z.object({ lines: z.number(), bytes: z.number(), at: z.iso.datetime() });
export type SearchProgress = z.infer<typeof searchProgress>;

/** What ends a search that is answered piece by piece. `blocks` were asked, `opened` of them, and `damaged` passed over. */
export const searchEnd = z.object({
  cursor: z.nullable(z.string()),
  stoppedEarly: z.nullable(z.enum(["time", "memory"])),
  lines: z.number(),
  blocks: z.number(),
  opened: z.number(),
  damaged: z.number(),
});
export type SearchEnd = z.infer<typeof searchEnd>;

/**
 * A line of `application/x-ndjson`: one of these members. The last line has `end`, or `problem` when it failed. Marks come
 * before the end.
 */
export const searchLine = z.union([
  z.object({ entry: storedEntry }),
  z.object({ progress: searchProgress }),
  z.object({ marks: logMarks }),
  z.object({ end: searchEnd }),
  z.object({ problem: z.string() }),
]);
export type SearchLine = z.infer<typeof searchLine>;

export const histogramQuery = z.extend(logSelection, {
  /** seconds; chosen so that there are at most 200 buckets when left out */
  step: z.optional(z.coerce.number().check(z.minimum(0.001), z.maximum(366 * 86_400))),
  budget,
  marks: withMarks,
});

/** Entries per level and step; levels without entries are left out. `partial`: it took too long to count all. */
export const histogramAnswer = z.object({
  /** seconds */
  step: z.number(),
  buckets: z.array(z.object({ at: z.iso.datetime(), counts: z.record(z.string(), z.number()) })),
  total: z.number(),
  partial: z.boolean(),
  marks: z.optional(logMarks.shape.marks),
  marksCut: z.optional(logMarks.shape.marksCut),
});
export type HistogramAnswer = z.infer<typeof histogramAnswer>;

export const topQuery = z.extend(logSelection, {
  field: z.string().check(z.minLength(1), z.maxLength(200)),
  limit: z._default(whole(1, 1000), 10),
  budget,
});

/** The most frequent values of a field, first the most frequent. */
export const topAnswer = z.object({
  values: z.array(z.object({ value: z.string(), count: z.number() })),
  partial: z.boolean(),
});
export type TopAnswer = z.infer<typeof topAnswer>;

export const contextQuery = z.object({ before: z._default(whole(0, 500), 20), after: z._default(whole(0, 500), 20) });

/** Entries of the same server and source, oldest first, the one asked for among them. */
export const contextAnswer = z.object({ entries: z.array(storedEntry) });
export type ContextAnswer = z.infer<typeof contextAnswer>;
