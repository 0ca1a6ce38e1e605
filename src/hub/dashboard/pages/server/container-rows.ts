/** Which containers need a person, and their order. Pure. */
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";

export type Look = "bad" | "running" | "quiet";

const rank: Readonly<Record<Look, number>> = { bad: 0, running: 1, quiet: 2 };

export function lookOf({ state, health }: Pick<ContainerStatus, "state" | "health">): Look {
  if (state === "restarting" || state === "dead") return "bad";
  if (state !== "running") return "quiet";
  return health === "unhealthy" ? "bad" : "running";
}

/** Unhealthy and restarting ones first, then those that run, each by name. */
export function containerRows(containers: readonly ContainerStatus[]): readonly ContainerStatus[] {
  return containers.toSorted((a, b) => rank[lookOf(a)] - rank[lookOf(b)] || a.name.localeCompare(b.name));
}
