/** Events of agents, and one live stream of servers and events for pages. */
import { eventsPage } from "#src/protocol/api.ts";
import { z } from "#src/protocol/schema.ts";
import { createLiveFeed } from "./live-feed.ts";
import { position } from "./log-routes.ts";
import type { Events, Servers } from "./ports.ts";
import { HttpFault } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { type Streams, maxStreams } from "./sse.ts";

const search = z.object({
  server: z.optional(z.string()),
  type: z.optional(z.string().check(z.maxLength(100))),
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(1000), z.multipleOf(1)), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});

export function eventRoutes(events: Events, servers: Servers, streams: Streams): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/events",
      permission: "view:servers",
      summary: "Crashes, give-ups, starts and losses, newest first",
      query: search,
      answer: eventsPage,
      async handle({ query }) {
        const page = await events.events({
          serverId: query.server ?? null,
          type: query.type ?? null,
          limit: query.limit,
          before: query.cursor ?? null,
        });
        return Response.json(page, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/live",
      permission: "view:servers",
      summary: "All servers, then each change of one and each new event (server-sent events)",
      query: z.object({ after: z.optional(position()) }),
      handle({ query, request, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const resume = request.headers.get("last-event-id") ?? query.after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : events.eventsHead();
        holdOpen();
        return streams.open(createLiveFeed(events, servers, from));
      },
    }),
  ];
}
