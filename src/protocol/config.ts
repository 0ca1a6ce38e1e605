/** `config.json`, the server-wide settings of the agent, and the environment variables that override it. */
import { z } from "./schema.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Seconds between heartbeats. */
export const heartbeatInterval = z
  .number()
  .check(z.minimum(10, "must be between 10 and 300 seconds"), z.maximum(300, "must be between 10 and 300 seconds"));

const url = z.string().check(z.regex(/^https?:\/\/[^\s/]+/, "must be an http:// or https:// URL"));

/** Limits of the offline buffer: entries, and bytes on disk. */
export const bufferLimits = z.object({
  maxEntries: z._default(z.number().check(z.minimum(100), z.multipleOf(1)), 10_000),
  maxBytes: z._default(z.number().check(z.minimum(1_048_576), z.multipleOf(1)), 268_435_456),
});
export type BufferLimits = z.infer<typeof bufferLimits>;

/** Patterns of container names, sources or images; `*` stands for any characters. */
const patterns = z._default(z.array(z.string().check(z.minLength(1))), []);

/** Whose lines are read: all but `exclude`; with `include`, only what it matches. The label `orion.logs` goes first. */
export const containerLogs = z.object({ include: patterns, exclude: patterns });
export type ContainerLogs = z.infer<typeof containerLogs>;

/** Every key that `config.json` knows; others are kept and warned of. */
export const config = z.looseObject({
  token: z.optional(z.string().check(z.minLength(1))),
  apiUrl: z.optional(url),
  serverId: z.optional(z.string().check(z.minLength(1))),
  project: z.optional(z.string()),
  heartbeatInterval: z._default(heartbeatInterval, 30),
  logLevel: z._default(z.enum(logLevels), "info"),
  logStream: z._default(z.boolean(), true),
  procPath: z._default(z.string().check(z.minLength(1)), "/proc"),
  diskPath: z._default(z.string().check(z.minLength(1)), "/"),
  dockerSocket: z._default(z.string().check(z.minLength(1)), "/var/run/docker.sock"),
  containerLogs: z._default(containerLogs, { include: [], exclude: [] }),
  buffer: z._default(bufferLimits, { maxEntries: 10_000, maxBytes: 268_435_456 }),
  /** applications go on when systemd restarts the service (a stop still stops them) */
  keepOnRestart: z._default(z.boolean(), false),
  /** PEM file of a private certificate authority: a hub's certificate must be signed by it */
  caFile: z.optional(z.string().check(z.minLength(1))),
  /** a hub that is not on this host may be spoken to without encryption: whoever is on the way reads the token */
  insecureHttp: z._default(z.boolean(), false),
});
export type Config = z.infer<typeof config>;

/** An application's `.orion/config.json`, the format that an SDK reads. */
export const sourceConfig = z.object({ token: z.string(), apiUrl: url, project: z.string(), source: z.string() });
export type SourceConfig = z.infer<typeof sourceConfig>;

/** Environment names without their `ORION_` or `OCORE_` prefix, and the config key that each one overrides. */
export const environmentNames = {
  ENDPOINT: "apiUrl",
  AGENT_TOKEN: "token",
  AGENT_TOKEN_FILE: "token",
  SERVER_ID: "serverId",
  PUSH_INTERVAL: "heartbeatInterval",
  LOG_LEVEL: "logLevel",
  LOG_STREAM_ENABLED: "logStream",
  INSECURE_HTTP: "insecureHttp",
  PROC_PATH: "procPath",
  DISK_PATH: "diskPath",
  DOCKER_SOCKET: "dockerSocket",
} as const;
export type EnvironmentName = keyof typeof environmentNames;
