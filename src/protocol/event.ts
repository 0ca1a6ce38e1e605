/** Things that happened, as opposed to lines that were printed: crashes, give-ups, starts and losses. */
import { z } from "./schema.ts";

const at = z.iso.datetime();

/** How a process ended, as far as anybody could see. */
export const exit = z.object({
  code: z.nullable(z.number()),
  signal: z.nullable(z.string()),
  /** false: the process ended while no daemon was there to see it */
  observed: z.boolean(),
  /** true: the kernel killed it for its memory limit */
  oom: z.boolean(),
  at,
});
export type Exit = z.infer<typeof exit>;

const crash = {
  at,
  script: z.string(),
  exitCode: z.nullable(z.number()),
  signal: z.nullable(z.string()),
  observed: z.boolean(),
  oom: z.boolean(),
  /** consecutive crashes, this one included */
  restarts: z.number(),
  /** why it could not be started at all, when that is the crash */
  reason: z.optional(z.string()),
  /** the last 20 lines of output, oldest first */
  tail: z.array(z.string()),
};

/** What was lost of one source, from when to when. */
export const dropCount = z.object({ source: z.string(), count: z.number(), from: at, to: at });
export type DropCount = z.infer<typeof dropCount>;

export const agentEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("script.crashed"),
    ...crash,
    willRestart: z.boolean(),
    restartInMs: z.nullable(z.number()),
  }),
  z.object({ type: z.literal("script.gave-up"), ...crash }),
  z.object({ type: z.literal("agent.started"), at, version: z.string(), reason: z.string() }),
  z.object({ type: z.literal("agent.stopped"), at, reason: z.string() }),
  z.object({ type: z.literal("logs.dropped"), at, total: z.number(), sources: z.array(dropCount) }),
]);
export type AgentEvent = z.infer<typeof agentEvent>;

/** An event as posted to `/api/v1/agent/events`; `seq` is of the same count as that of log entries. */
export const postedEvent = z.intersection(
  agentEvent,
  z.object({ seq: z.optional(z.number().check(z.nonnegative(), z.multipleOf(1))) }),
);
export type PostedEvent = z.infer<typeof postedEvent>;
