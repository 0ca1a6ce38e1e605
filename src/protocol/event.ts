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

const container = {
  at,
  /** its name */
  container: z.string(),
  containerId: z.string(),
  /** what its lines are filed under */
  source: z.string(),
  image: z.string(),
  /** the last 20 lines of output, oldest first; none when its logs are not wanted */
  tail: z.array(z.string()),
};

/**
 * Why a container is no longer running: `exited` by itself with 0, `failed` with another code, `killed` by a signal that
 * nobody asked the engine for, `oom` by the kernel for its memory limit, `stopped` by `docker stop`, `kill` or the like.
 */
export const deathCauses = ["exited", "failed", "killed", "oom", "stopped"] as const;
export type DeathCause = (typeof deathCauses)[number];

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
  z.object({
    type: z.literal("container.died"),
    ...container,
    cause: z.enum(deathCauses),
    /** null: not known, since it was started anew before anybody looked */
    exitCode: z.nullable(z.number()),
    /** the signal that the exit code stands for, as a shell would have it */
    signal: z.nullable(z.string()),
    /** false: it ended while nobody was listening to the engine */
    observed: z.boolean(),
  }),
  /** the kernel killed a process in it for its memory limit, and it goes on */
  z.object({ type: z.literal("container.oom"), ...container }),
  z.object({
    type: z.literal("container.unhealthy"),
    ...container,
    /** what its health check printed last */
    check: z.nullable(z.string()),
    /** checks that failed in a row */
    failures: z.nullable(z.number()),
  }),
  /** healthy again after it was unhealthy */
  z.object({ type: z.literal("container.healthy"), ...container }),
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

/** What the hub itself notices of an agent. */
const agentTurns = [
  z.object({
    type: z.literal("agent.silent"),
    /** when the hub gave up waiting for it */
    at,
    /** its last report */
    since: at,
    version: z.nullable(z.string()),
    /** who watches the server instead: the hub over SSH, or nobody, because it has no SSH details */
    watch: z.nullable(z.literal("ssh")),
  }),
  z.object({
    type: z.literal("agent.back"),
    at,
    /** its last report before it fell silent */
    since: at,
    version: z.nullable(z.string()),
  }),
] as const;

/** What the hub notices while it watches a server over SSH. */
const watchTurns = [
  z.object({ type: z.literal("watch.failed"), at, problem: z.string() }),
  /** it goes on after it failed */
  z.object({ type: z.literal("watch.restored"), at }),
] as const;

export const watchEvent = z.discriminatedUnion("type", [...watchTurns]);
export type WatchEvent = z.infer<typeof watchEvent>;

/** Events that no agent sends. */
export const hubEvent = z.discriminatedUnion("type", [...agentTurns, ...watchTurns]);
export type HubEvent = z.infer<typeof hubEvent>;

/** Everything that can have happened to a server. */
export const serverEvent = z.union([agentEvent, hubEvent]);
export type ServerEvent = z.infer<typeof serverEvent>;

export { subjectOf } from "./event-subject.ts";

/** An event on its way into the store. */
export type DeliveredEvent = ServerEvent & { readonly seq?: number | undefined };
