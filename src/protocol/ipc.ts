/** The agent's socket: one JSON object a line, each way. */
import { containerStatus, scriptStatus, systemMetrics } from "./heartbeat.ts";
import { levels, sourceName } from "./log.ts";
import { z } from "./schema.ts";
import { script, scriptName } from "./scripts.ts";

/** Longest request line in bytes; a longer one is answered with `ok: false`, then the connection ends. */
export const maxIpcLineBytes = 1024 * 1024;
/** Bytes that a client may leave unread before it is cut off. */
export const maxIpcBacklogBytes = 4 * 1024 * 1024;

const id = z.optional(z.union([z.string(), z.number()]));
const named = { id, name: scriptName };

export const ipcRequest = z.discriminatedUnion("cmd", [
  z.object({ cmd: z.literal("ping"), id }),
  z.object({ cmd: z.literal("status"), id }),
  z.object({ cmd: z.literal("reload"), id }),
  /** replaces the daemon in place by the program that lies at its path; answered before, or refused with the reason */
  z.object({ cmd: z.literal("agent:reexec"), id }),
  z.object({
    cmd: z.literal("log"),
    id,
    level: z.enum(levels),
    message: z.string(),
    source: z.optional(sourceName),
    fields: z.optional(z.record(z.string(), z.unknown())),
  }),
  z.object({
    cmd: z.literal("logs"),
    id,
    name: z.optional(z.string()),
    lines: z._default(z.number().check(z.nonnegative(), z.maximum(10_000)), 100),
    follow: z._default(z.boolean(), false),
    /** RFC 3339: nothing older */
    since: z.optional(z.iso.datetime()),
    /** this level or worse */
    level: z.optional(z.enum(levels)),
    /** a substring that the message must hold, case ignored */
    grep: z.optional(z.string()),
  }),
  z.object({ cmd: z.literal("script:list"), id }),
  z.object({ cmd: z.literal("script:show"), ...named }),
  z.object({ cmd: z.literal("script:start"), ...named }),
  z.object({ cmd: z.literal("script:stop"), ...named }),
  z.object({ cmd: z.literal("script:restart"), ...named }),
  z.object({ cmd: z.literal("script:remove"), ...named }),
  z.object({ cmd: z.literal("script:add"), id, script, start: z._default(z.boolean(), false) }),
]);
export type IpcRequest = z.infer<typeof ipcRequest>;
/** A request as a client writes it, defaults left out. */
export type IpcRequestInput = z.input<typeof ipcRequest>;
export type IpcCommand = IpcRequest["cmd"];

export const ipcAnswer = z.union([
  z.object({ id, ok: z.literal(true), data: z.unknown() }),
  z.object({
    id,
    ok: z.literal(false),
    error: z.string(),
    code: z.optional(z.string()),
    hint: z.optional(z.string()),
    /** the daemon is being replaced and has not looked at this request nor at any after it: ask its successor */
    replaced: z.optional(z.literal(true)),
  }),
]);
export type IpcAnswer = z.infer<typeof ipcAnswer>;

/** What has become of everything that was read since the spool began: read = acknowledged + dropped + buffered. */
export const ledger = z.object({
  /** entries taken into the spool by this daemon */
  read: z.number(),
  /** entries handed to the network by this daemon, repeats included */
  sent: z.number(),
  acknowledged: z.number(),
  /** entries lost to a limit, counted one by one */
  dropped: z.number(),
  /** entries that wait on disk */
  buffered: z.number(),
  bufferedBytes: z.number(),
});
export type Ledger = z.infer<typeof ledger>;

export const deliveryStatus = z.object({
  /** `off`: no hub is configured; `away`: nothing acknowledged for 5 s although something waits */
  state: z.enum(["off", "online", "away", "refused"]),
  endpoint: z.nullable(z.string()),
  lastAck: z.nullable(z.iso.datetime()),
  lastError: z.nullable(z.string()),
  nextAttemptAt: z.nullable(z.iso.datetime()),
  ledger,
});
export type DeliveryStatus = z.infer<typeof deliveryStatus>;

/** A thing that is wrong now and what to do about it. */
export const problem = z.object({ what: z.string(), why: z.string(), todo: z.string() });
export type Problem = z.infer<typeof problem>;

/** Who answers, and how it came to run. */
export const pingAnswer = z.object({
  pong: z.literal(true),
  pid: z.number(),
  version: z.string(),
  startedAt: z.iso.datetime(),
  /** the file that it was started from, and that takes over; null: it is a part of another process and can't be replaced */
  program: z.nullable(z.string()),
  /** how it began: `start`, `re-executed`, `upgraded from 1.2.3`, `rolled back from 1.3.0: it ended before it served` … */
  began: z.string(),
  /** a new program was tried and failed, and this is the one before */
  rolledBack: z.boolean(),
  /** false while a new program is on probation, and while the daemon is about to be replaced */
  settled: z.boolean(),
});
export type PingAnswer = z.infer<typeof pingAnswer>;

/** The answer to `agent:reexec`: who takes over. */
export const reexecAnswer = z.object({
  version: z.string(),
  /** the program is another one than the one that answers; it is on probation after the start */
  changed: z.boolean(),
});
export type ReexecAnswer = z.infer<typeof reexecAnswer>;

export const statusAnswer = z.object({
  version: z.string(),
  pid: z.number(),
  startedAt: z.iso.datetime(),
  hostname: z.string(),
  system: systemMetrics,
  scripts: z.array(scriptStatus),
  docker: z.object({ available: z.boolean(), error: z.nullable(z.string()) }),
  containers: z.array(containerStatus),
  delivery: deliveryStatus,
  problems: z.array(problem),
});
export type StatusAnswer = z.infer<typeof statusAnswer>;

export const scriptShowAnswer = z.object({ script, status: scriptStatus });
export type ScriptShowAnswer = z.infer<typeof scriptShowAnswer>;
