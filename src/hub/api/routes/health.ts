/** Whether the hub lives and whether it can work. */
import { z } from "#src/protocol/schema.ts";
import type { Events } from "../ports.ts";
import { problem } from "../problem.ts";
import { type Route, route } from "../route.ts";

const health = z.object({ status: z.literal("ok"), version: z.string() });
const readiness = z.object({ status: z.literal("ready") });

export function healthRoutes(events: Pick<Events, "ready">, version: string): Route[] {
  return [
    route({
      method: "GET",
      path: "/healthz",
      permission: "none",
      group: "Health",
      summary: "200 while the process lives",
      answer: health,
      handle: () => Response.json({ status: "ok", version }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      permission: "none",
      group: "Health",
      summary: "200 while the store answers",
      answer: readiness,
      handle: () => (events.ready() ? Response.json({ status: "ready" }) : problem(503, "the store does not answer")),
    }),
  ];
}
