/** All ways in for facts: what agents report and deliver, and what applications log. One bound on memory for all. */
import type { Clock } from "#src/lib/clock.ts";
import { createAdmission } from "./admission.ts";
import { agentRoutes } from "./agent-routes.ts";
import { otlpRoutes } from "./otlp-routes.ts";
import type { Events, Logs, Servers } from "../ports.ts";
import { type RateLimits, createRateLimiter, defaultRateLimits } from "./rate.ts";
import type { Route } from "../route.ts";
import { createIntake } from "./source-log-intake.ts";
import { sourceLogRoutes } from "./source-log-routes.ts";
import { type StreamSocket, createStreamSocket } from "./stream-socket.ts";

export type IngestWorld = {
  readonly servers: Pick<Servers, "authenticate" | "beat" | "onTokenDead">;
  readonly logs: Pick<Logs, "append" | "lastSeq" | "waiting">;
  readonly events: Pick<Events, "appendEvents">;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; warn(message: string): void; error(message: string): void };
  /** seconds between heartbeats that agents are asked for */
  readonly heartbeatSeconds: number;
  /** how fast one source may log */
  readonly rateLimits?: RateLimits;
};

export type Ingest = {
  readonly routes: readonly Route[];
  /** for `Bun.serve`: asked before the routes, and closed before the store */
  readonly stream: StreamSocket;
};

export function createIngest(world: IngestWorld): Ingest {
  const { servers, logs, events, clock, log } = world;
  const admission = createAdmission(logs.waiting);
  const now = () => clock.now();
  const warn = (message: string) => log.warn(message);
  const rate = createRateLimiter({ limits: world.rateLimits ?? defaultRateLimits, clock, warn });
  const intake = createIntake({ logs, admission, rate, now });
  const stream = createStreamSocket({ servers, logs, admission, clock, log });
  const { heartbeatSeconds } = world;
  return {
    stream,
    routes: [
      ...agentRoutes({ servers, logs, events, admission, now, heartbeatSeconds }),
      stream.route,
      ...sourceLogRoutes(intake),
      ...otlpRoutes(intake),
    ],
  };
}
