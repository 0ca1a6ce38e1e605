/** All ways in for facts: what agents report and deliver, and what applications log. One bound on memory for all. */
import type { Clock } from "#src/lib/clock.ts";
import { createAdmission } from "./admission.ts";
import { type HeartbeatMetrics, agentRoutes } from "./agent-routes.ts";
import { otlpRoutes } from "./otlp-routes.ts";
import { type MetricIntake, otlpMetricRoutes } from "./otlp-metrics-routes.ts";
import type { Events, Logs, Servers } from "../ports.ts";
import { type RateLimits, createRateLimiter } from "./rate.ts";
import type { Route } from "../route.ts";
import { createIntake } from "./source-log-intake.ts";
import { sourceLogRoutes } from "./source-log-routes.ts";
import { type StreamSocket, createStreamSocket } from "./stream-socket.ts";

export type IngestWorld = {
  readonly servers: Pick<Servers, "authenticate" | "beat" | "onTokenDead">;
  readonly logs: Pick<Logs, "append" | "waiting">;
  readonly events: Pick<Events, "appendEvents">;
  readonly metrics: HeartbeatMetrics & MetricIntake;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; warn(message: string): void; error(message: string): void };
  /** seconds between heartbeats that agents are asked for */
  readonly heartbeatSeconds: number;
  /** how fast one source may log */
  readonly rateLimits: RateLimits;
  /** Resolves once it is known here what other hubs have changed; left out: there are no others. */
  readonly catchUp?: () => Promise<void>;
};

export type Ingest = {
  readonly routes: readonly Route[];
  /** for `Bun.serve`: asked before the routes, and closed before the store */
  readonly stream: StreamSocket;
};

export function createIngest(world: IngestWorld): Ingest {
  const { servers, logs, events, metrics, clock, log } = world;
  const admission = createAdmission(logs.waiting);
  const now = () => clock.now();
  const warn = (message: string) => log.warn(message);
  const rate = createRateLimiter({ limits: world.rateLimits, clock, warn });
  const intake = createIntake({ logs, admission, rate, now });
  const stream = createStreamSocket({ servers, logs, admission, clock, log, catchUp: world.catchUp });
  const { heartbeatSeconds } = world;
  return {
    stream,
    routes: [
      ...agentRoutes({ servers, logs, events, metrics, admission, now, heartbeatSeconds }),
      stream.route,
      ...sourceLogRoutes(intake),
      ...otlpRoutes(intake),
      ...otlpMetricRoutes({ intake, rate, metrics }),
    ],
  };
}
