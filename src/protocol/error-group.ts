/**
 * Error groups as the API tells them: what the same error, seen again and again, comes to; what people have decided
 * about it; and samples of its events.
 */
import { levels } from "./log.ts";
import { z } from "./schema.ts";

/** `error`: with a traceback; `message`: a line of level error or fatal without one; `warning`: a line of level warn. */
export const groupKinds = ["error", "message", "warning"] as const;
export type GroupKind = (typeof groupKinds)[number];

export const groupStates = ["unresolved", "resolved", "ignored"] as const;
export type GroupState = (typeof groupStates)[number];

/** `v1:` and 100 bits in base32; says the way in which it was made, see docs/errors.md. */
export const fingerprint = z.string().check(z.regex(/^v\d{1,4}:[a-z2-7]{20}$/, "is not a fingerprint"));

const at = z.iso.datetime();
const when = z.nullable(at);
const text = z.nullable(z.string());

/** A server that events came from; a source that logs without an agent has its own id and name here. */
const origin = z.object({ id: z.string(), name: z.string() });

/** Why events are in one group: what decided, and what of them was left out of account. */
export const explanation = z.object({
  /** of the rules that made the fingerprint */
  version: z.number(),
  /** what it was made of: functions of the stack, the message, or a template that was learned from the source's lines */
  method: z.enum(["frames", "message", "template"]),
  decided: z.array(z.object({ what: z.string(), value: z.string() })),
  ignored: z.array(z.object({ what: z.string(), value: z.string() })),
});
export type Explanation = z.infer<typeof explanation>;

export const errorGroup = z.object({
  fingerprint,
  /** id */
  project: z.string(),
  kind: z.enum(groupKinds),
  level: z.enum(levels),
  /** which parser read the first event: `python`, `java`, …, `text` */
  format: z.string(),
  /** of the innermost cause, as everything here that names the error is of the first event */
  type: text,
  value: z.string(),
  /** the innermost function of the application */
  culprit: text,
  state: z.enum(groupStates),
  firstSeen: at,
  lastSeen: at,
  count: z.number(),
  /** events per hour of the last 24, oldest first, the current hour last */
  sparkline: z.array(z.number()),
  /** by count, most first; at most 20 each */
  sources: z.array(z.string()),
  servers: z.array(origin),
  releases: z.array(z.string()),
  /** crashes of scripts and containers right after it */
  crashes: z.number(),
  /** when somebody last decided something about it, and who */
  decidedAt: when,
  decidedBy: text,
  /** the release in which it is said to be resolved; null: at `decidedAt` */
  resolvedIn: text,
  /** it is ignored until then; null: no time was given */
  ignoredUntil: when,
  /** events that will come before it is shown again; null: no number was given */
  ignoredFor: z.nullable(z.number()),
  /** when it came back after it was resolved; null: never since the last decision */
  regressedAt: when,
});
export type ErrorGroup = z.infer<typeof errorGroup>;

export const errorsPage = z.object({ groups: z.array(errorGroup), cursor: z.nullable(z.string()) });
export type ErrorsPage = z.infer<typeof errorsPage>;

const frame = z.object({
  function: text,
  module: text,
  file: text,
  line: z.nullable(z.number()),
  column: z.nullable(z.number()),
  inApplication: z.boolean(),
  code: text,
});

/** One event that is kept as an example. `id` splits by it; `entry` is the id of its first line in the log. */
export const errorSample = z.object({
  id: z.string(),
  entry: z.string(),
  at,
  server: origin,
  source: z.string(),
  stream: z.string(),
  level: z.enum(levels),
  format: z.string(),
  /** the outermost error first, then what led to it */
  parts: z.array(
    z.object({
      type: text,
      value: z.string(),
      frames: z.array(frame),
      relation: z.nullable(z.enum(["cause", "context", "suppressed", "member"])),
    }),
  ),
  logger: text,
  database: text,
  thread: text,
  release: text,
  lines: z.array(z.string()),
  before: z.array(z.string()),
  cut: z.boolean(),
  /** events of a group with the same variant are alike in all functions and in the message; `split` takes them out */
  variant: z.string(),
});
export type ErrorSample = z.infer<typeof errorSample>;

export const samplesPage = z.object({ events: z.array(errorSample), cursor: z.nullable(z.string()) });
export type SamplesPage = z.infer<typeof samplesPage>;

const counted = z.object({ name: z.string(), count: z.number(), lastSeen: at });

/** A crash right after an error of the group. `event` is its id among the events. */
export const errorCrash = z.object({
  event: z.string(),
  at,
  server: origin,
  source: z.string(),
  type: z.string(),
  /** `exited 1`, `killed by SIGSEGV`, `out of memory` */
  how: z.string(),
});
export type ErrorCrash = z.infer<typeof errorCrash>;

export const errorDetail = z.extend(errorGroup, {
  explanation,
  /** other fingerprints whose events are in this group */
  merged: z.array(fingerprint),
  /** events per hour, oldest first, of hours that have any, as far back as logs are kept */
  hours: z.array(z.object({ at, count: z.number() })),
  /** these three: most first, at most 200 each */
  bySource: z.array(counted),
  byServer: z.array(z.extend(counted, { id: z.string() })),
  byRelease: z.array(counted),
  crashSummary: z.array(z.object({ how: z.string(), count: z.number(), lastAt: at })),
  /** newest first, at most 20 */
  recentCrashes: z.array(errorCrash),
  /** the newest; more by `/events` */
  sample: z.nullable(errorSample),
});
export type ErrorDetail = z.infer<typeof errorDetail>;

const whole = (least: number, most: number) => z.number().check(z.minimum(least), z.maximum(most), z.multipleOf(1));
const name = z.string().check(z.minLength(1), z.maxLength(200));

/** `PATCH /api/errors/:fingerprint`. */
export const errorDecision = z.discriminatedUnion("action", [
  /** `release`: the one that holds the mend, so that older ones may go on failing; left out: it is resolved from now on */
  z.object({ action: z.literal("resolve"), release: z.optional(name) }),
  /** until so many more have come, until a time, whichever is first; neither: until it is opened again */
  z.object({
    action: z.literal("ignore"),
    count: z.optional(whole(1, 1_000_000_000)),
    until: z.optional(at),
  }),
  z.object({ action: z.literal("reopen") }),
  /** its events, past and future, become those of the group `into` */
  z.object({ action: z.literal("merge"), into: fingerprint }),
  /** events of the sample's variant, past and future, become a group of their own, which is the answer */
  z.object({ action: z.literal("split"), sample: z.string().check(z.regex(/^\d{1,15}$/, "is not a sample's id")) }),
]);
export type ErrorDecision = z.infer<typeof errorDecision>;

/** What has happened to a group that a live stream tells of. */
export const groupNews = z.object({
  group: errorGroup,
  /** `new`: its first event; `regressed`: it came back; `seen`: more events; `decided`: somebody decided; `crashed` */
  news: z.array(z.enum(["new", "regressed", "reopened", "seen", "decided", "crashed"])),
});
export type GroupNews = z.infer<typeof groupNews>;
export type News = GroupNews["news"][number];

/** Event `gone` of the live stream: this group is part of another one now, or was forgotten. */
export const groupGone = z.object({ fingerprint, mergedInto: z.nullable(fingerprint) });
export type GroupGone = z.infer<typeof groupGone>;

/** `GET /api/errors`. Without `kind`: errors and messages, no warnings. `project`: id or name. `server`: id. */
export const errorsQuery = z.object({
  state: z.optional(z.enum(groupStates)),
  kind: z.optional(z.enum(groupKinds)),
  /** in type, value or culprit; case ignored */
  q: z.optional(z.string().check(z.maxLength(200))),
  source: z.optional(name),
  server: z.optional(name),
  project: z.optional(name),
  release: z.optional(name),
  /** seen at this time or later */
  since: z.optional(at),
  sort: z._default(z.enum(["last", "first", "count"]), "last"),
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(200), z.multipleOf(1)), 50),
  cursor: z.optional(z.string().check(z.regex(/^\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});
export type ErrorsQuery = z.infer<typeof errorsQuery>;

export const samplesQuery = z.object({
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(50), z.multipleOf(1)), 20),
  cursor: z.optional(z.string().check(z.regex(/^\d{1,15}$/, "is not one that this hub gave out"))),
});
