/** Work that the hub does in the background, step by step: putting an agent on a server, taking it away. */
import { z } from "./schema.ts";

const at = z.nullable(z.iso.datetime());

/** `host`: what the host is good for: systemd, then binary; else docker. */
export const deployMethod = z.enum(["binary", "docker"]);
export type DeployMethod = z.infer<typeof deployMethod>;

/** `POST /api/servers/:id/agent/deploy` */
export const deployRequest = z.object({
  /** left out: binary where systemd runs, else docker */
  method: z.optional(deployMethod),
  /** the address under which the host reaches this hub; left out: the hub's publicUrl, else what the agent has now */
  apiUrl: z.optional(
    z.string().check(z.maxLength(500), z.regex(/^https?:\/\/[^\s]+$/, "must be an http:// or https:// address")),
  ),
  /** with method docker: pulled by the host; left out: the hub sends an image of its own program */
  image: z.optional(
    z.string().check(z.maxLength(300), z.regex(/^[a-z0-9][A-Za-z0-9._/:@-]*$/, "must be the name of an image")),
  ),
});
export type DeployRequest = z.infer<typeof deployRequest>;

/** `DELETE /api/servers/:id/agent` has no body: what is found is taken away. */
export const jobKind = z.enum(["deploy", "uninstall"]);
export type JobKind = z.infer<typeof jobKind>;

export const jobStep = z.object({
  name: z.string(),
  state: z.enum(["waiting", "running", "done", "failed", "skipped"]),
  startedAt: at,
  finishedAt: at,
  output: z.string(),
  /** characters of output that were left out at its beginning */
  omitted: z.number(),
});
export type JobStep = z.infer<typeof jobStep>;

export const job = z.object({
  id: z.string(),
  kind: jobKind,
  serverId: z.string(),
  hostname: z.string(),
  state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
  /** who asked for it */
  createdBy: z.nullable(z.string()),
  createdAt: z.iso.datetime(),
  startedAt: at,
  finishedAt: at,
  /** what was asked for */
  request: deployRequest,
  steps: z.array(jobStep),
  /** why it failed and what to do; null: it did not */
  problem: z.nullable(z.object({ message: z.string(), hint: z.nullable(z.string()) })),
});
export type Job = z.infer<typeof job>;
export const jobsPage = z.object({ jobs: z.array(job), cursor: z.nullable(z.string()) });

/** Events of `GET /api/jobs/:id` as a stream: `job` is a whole job, `output` is what a step has said since. */
export const jobOutput = z.object({ step: z.number(), text: z.string() });
