/** How the hub stands with what it needs: for /metrics and /readyz, put together from what each store knows of itself. */
import { type Probe, probeOf } from "./api/readiness.ts";
import type { StoreFigures } from "./metrics/own.ts";
import type { Rooms } from "./rooms.ts";
import type { Clickhouse } from "./store/clickhouse/client.ts";
import type { Telemetry } from "./telemetry.ts";

/**
 * Heartbeats are taken while Postgres is away, and lines get 503 with Retry-After: a balancer has no reason to take the hub
 * out before that has lasted, in milliseconds.
 */
const postgresGraceMs = 30_000;

export type StandingWorld = {
  readonly rooms: Pick<Rooms, "state" | "cluster" | "postgres">;
  readonly telemetry: Telemetry;
  readonly clickhouse: Clickhouse | null;
  readonly errors: { figures(): { readonly behind: number } };
};

export type Standing = { readonly told: () => readonly StoreFigures[]; readonly probes: readonly Probe[] };

export function createStanding({ rooms, telemetry, clickhouse, errors }: StandingWorld): Standing {
  const { state, cluster, postgres } = rooms;
  return {
    told() {
      const own = { ...telemetry.told(), errorsBehind: errors.figures().behind };
      if (postgres === null) return [own];
      const { renewedAgoMs, duties } = cluster.standing();
      return [own, { membershipAgeMs: renewedAgoMs, duties, up: { postgres: cluster.isMember() } }];
    },
    probes: [
      postgres === null
        ? probeOf("the store", () => state.ready(), 0)
        : probeOf("Postgres", () => state.ready(), postgresGraceMs),
      // lines are not lost while it is away: whoever sends them keeps them
      ...(clickhouse === null ? [] : [{ name: "ClickHouse", ask: () => clickhouse.rows("SELECT 1"), graceMs: null }]),
    ],
  };
}
