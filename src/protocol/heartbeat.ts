/** `POST /api/v1/agent/heartbeat`. Bytes, bytes per second, seconds, percent 0-100. */
import { exit } from "./event.ts";
import { z } from "./schema.ts";
import { scriptStates } from "./scripts.ts";

const at = z.iso.datetime();
const count = z.number().check(z.nonnegative());
/** A reading that failed or does not exist on this host is null, never a made-up zero. */
const reading = z.nullable(count);

export const systemMetrics = z.object({
  cpu: z.object({ usage: reading, cores: reading }),
  memory: z.object({ total: reading, used: reading, available: reading, usage: reading }),
  disk: z.object({ path: z.string(), total: reading, used: reading, usage: reading }),
  network: z.object({ rxBytes: reading, txBytes: reading, rxRate: reading, txRate: reading }),
  load: z.nullable(z.array(count).check(z.length(3))),
  uptime: reading,
});
export type SystemMetrics = z.infer<typeof systemMetrics>;

export const scriptStatus = z.object({
  name: z.string(),
  state: z.enum(scriptStates),
  pid: z.nullable(z.number()),
  /** seconds since it was started; null unless running */
  uptime: z.nullable(count),
  /** starts after a crash since the script was last started by a person */
  restarts: count,
  /** percent of one core over the whole process tree; null when not running or not yet known */
  cpu: reading,
  /** resident bytes of the whole process tree */
  memory: reading,
  lastExit: z.nullable(exit),
  nextRestartAt: z.nullable(at),
  /** why the script can't run, when a start failed */
  problem: z.optional(z.nullable(z.string())),
});
export type ScriptStatus = z.infer<typeof scriptStatus>;

export const containerStatus = z.object({
  id: z.string(),
  name: z.string(),
  image: z.string(),
  state: z.string(),
  health: z.nullable(z.string()),
  restartCount: count,
  startedAt: z.nullable(at),
  /** percent of one core, as `docker stats` counts; null when not running or not yet known */
  cpu: reading,
  memory: z.object({ usage: reading, limit: reading }),
  /** bytes since it was started, over all its interfaces; null with the host's network */
  network: z.optional(z.object({ rxBytes: reading, txBytes: reading })),
  /** bytes since it was started */
  blockIo: z.optional(z.object({ readBytes: reading, writtenBytes: reading })),
  /** what its lines are filed under, the same however often it is made anew */
  source: z.optional(z.string()),
});
export type ContainerStatus = z.infer<typeof containerStatus>;

export const heartbeat = z.object({
  at,
  hostname: z.string().check(z.minLength(1), z.maxLength(255)),
  agent: z.object({ version: z.string(), startedAt: at }),
  system: systemMetrics,
  scripts: z.array(scriptStatus),
  docker: z.object({ available: z.boolean(), error: z.nullable(z.string()) }),
  containers: z.array(containerStatus),
  delivery: z.object({ buffered: count, dropped: count }),
});
export type Heartbeat = z.infer<typeof heartbeat>;

export const heartbeatAnswer = z.object({ receivedAt: at, heartbeatInterval: z.number() });
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
