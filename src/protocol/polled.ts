/** What the hub reads of a server itself, over SSH, while the server's agent is silent. */
import { containerStatus, systemMetrics } from "./heartbeat.ts";
import { z } from "./schema.ts";

const at = z.iso.datetime();

/** One look at a host: what a heartbeat would tell of it, as far as it can be seen from outside the agent. */
export const polledReport = z.object({
  /** by the hub's clock */
  at,
  /** as the host calls itself; null: it did not say */
  hostname: z.nullable(z.string()),
  system: systemMetrics,
  docker: z.object({ available: z.boolean(), error: z.nullable(z.string()) }),
  containers: z.array(containerStatus),
});
export type PolledReport = z.infer<typeof polledReport>;

/** How watching a server over SSH goes. */
export const sshWatch = z.object({
  /** when figures were last read; null: not yet */
  lastPolled: z.nullable(at),
  /** when they are read next; null: only once its SSH details are changed */
  nextPoll: z.nullable(at),
  /** what is wrong or missing and what to do about it; null: nothing */
  problem: z.nullable(z.string()),
});
export type SshWatch = z.infer<typeof sshWatch>;
