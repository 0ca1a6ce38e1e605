/** Whether the hub lives and whether it can work. */
import type { Events } from "./ports.ts";
import { problem } from "./problem.ts";
import { type Route, route } from "./route.ts";

export function healthRoutes(events: Events, version: string): Route[] {
  return [
    route({
      method: "GET",
      path: "/healthz",
      permission: "none",
      summary: "200 while the process lives",
      handle: () => Response.json({ status: "ok", version }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      permission: "none",
      summary: "200 while the store answers",
      handle: () => (events.ready() ? Response.json({ status: "ready" }) : problem(503, "the store does not answer")),
    }),
  ];
}
