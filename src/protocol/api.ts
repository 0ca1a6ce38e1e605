/** What the hub answers to people and pages. */
import { serverEvent } from "./event.ts";
import { containerStatus, heartbeat, scriptStatus } from "./heartbeat.ts";
import { levels, logEntry } from "./log.ts";
import { polledReport, sshWatch } from "./polled.ts";
import { serverNotice } from "./project.ts";
import { z } from "./schema.ts";

/** An agent is connected when it reported within this many seconds. */
export const connectedWithinSeconds = 120;

/** RFC 9457 problem document. */
export const problemDocument = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.optional(z.string()),
  /** names this request in the hub's log */
  requestId: z.optional(z.string()),
  /** for OAuth clients (RFC 6749 section 5.2, RFC 8628 section 3.5) */
  error: z.optional(z.string()),
});
export type ProblemDocument = z.infer<typeof problemDocument>;

export const agentStatus = z.object({
  status: z.enum(["connected", "disconnected"]),
  version: z.nullable(z.string()),
  lastSeen: z.nullable(z.iso.datetime()),
  /** what its figures come from now; null: nothing */
  transport: z.nullable(z.enum(["agent", "ssh"])),
  /** while its agent is silent and it has SSH details */
  ssh: z.optional(sshWatch),
});
export type AgentStatus = z.infer<typeof agentStatus>;

export const server = z.object({
  id: z.string(),
  hostname: z.string(),
  projectId: z.string(),
  createdAt: z.iso.datetime(),
  agent: agentStatus,
  /** when the agent token was last used; null: never, or it was revoked */
  tokenLastUsedAt: z.nullable(z.iso.datetime()),
  /** what a person should know about its identity */
  notices: z.array(serverNotice),
  /** the newest heartbeat, null before the first */
  latest: z.nullable(heartbeat),
  /** what was last read over SSH, while its figures come from there */
  polled: z.optional(polledReport),
  /** whether the hub knows how to reach it over SSH; said where a single server was asked for */
  hasSsh: z.optional(z.boolean()),
});
export type Server = z.infer<typeof server>;

/**
 * A stored entry: where it came from added. `serverId` is the server, or the source of an application that logs without
 * an agent. `id` orders entries and resumes a tail.
 */
export const storedEntry = z.extend(logEntry, { id: z.string(), serverId: z.string() });
export type StoredEntry = z.infer<typeof storedEntry>;

/** `total` is null when counting would mean reading everything. `cursor` goes on where this page ended. */
export const logsPage = z.object({ entries: z.array(storedEntry), cursor: z.nullable(z.string()) });
export type LogsPage = z.infer<typeof logsPage>;

export const storedEvent = z.object({
  id: z.string(),
  serverId: z.string(),
  hostname: z.string(),
  event: serverEvent,
  /** of a crash: the fingerprint of the error that led to it, once that is known (lists only) */
  error: z.optional(z.string()),
});
export type StoredEvent = z.infer<typeof storedEvent>;
export const eventsPage = z.object({ events: z.array(storedEvent), cursor: z.nullable(z.string()) });
export type EventsPage = z.infer<typeof eventsPage>;

/** `GET /api/servers`. */
export const serversPage = z.object({ servers: z.array(server), cursor: z.nullable(z.string()) });
export type ServersPage = z.infer<typeof serversPage>;

/** A server that was just registered, with its new token, which is shown this once. */
export const registeredServer = z.extend(server, { token: z.string() });
export type RegisteredServer = z.infer<typeof registeredServer>;

/** `POST /api/servers/:id/agent-token`: shown this once. */
export const newAgentToken = z.object({ token: z.string() });
export type NewAgentToken = z.infer<typeof newAgentToken>;

/** What a server last reported to run; empty before the first report. */
export const serverScripts = z.object({ scripts: z.array(scriptStatus) });
export const serverContainers = z.object({ containers: z.array(containerStatus) });

/** Which entries: of this source, of this server, holding `q` (case ignored), of this level or worse, `from` <= at < `to`. */
export const logFilter = z.object({
  q: z.optional(z.string().check(z.maxLength(1000))),
  source: z.optional(z.string()),
  server: z.optional(z.string()),
  /** id or name of a project */
  project: z.optional(z.string().check(z.maxLength(100))),
  level: z.optional(z.enum(levels)),
  from: z.optional(z.iso.datetime()),
  to: z.optional(z.iso.datetime()),
});
export type LogFilter = z.infer<typeof logFilter>;

/** What a live stream had to leave out because its reader was too slow; `from` and `to` are ids, ends included. */
export const skippedLines = z.object({ lines: z.number(), from: z.string(), to: z.string() });
export type SkippedLines = z.infer<typeof skippedLines>;

/** `D/credentials.json` of `orion up`: what a program needs to use the trial; what does not exist yet is left out. */
export const credentials = z.object({
  url: z.string(),
  email: z.optional(z.string()),
  password: z.optional(z.string()),
  apiKey: z.optional(z.string()),
  sourceToken: z.optional(z.string()),
});
export type Credentials = z.infer<typeof credentials>;
