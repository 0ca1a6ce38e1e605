/** The last hour of many servers in one answer, for lines beside their names. */
import { z } from "./schema.ts";

/** Means, value `i` of the `step` seconds from `from` + i * `step` on; null: nothing is known of them. */
const values = z.array(z.nullable(z.number()));

export const serverHistory = z.object({
  /** percent */
  cpu: values,
  /** percent */
  memory: values,
  /** received and sent, bytes a second */
  network: values,
});
export type ServerHistory = z.infer<typeof serverHistory>;

/** `GET /api/fleet/history`. */
export const fleetHistory = z.object({
  from: z.iso.datetime(),
  /** seconds that each value stands for */
  step: z.number(),
  /** by server id; one that measured nothing in this time is left out */
  servers: z.record(z.string(), serverHistory),
});
export type FleetHistory = z.infer<typeof fleetHistory>;
