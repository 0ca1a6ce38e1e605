/** Events of agents, and one live stream of servers and events for pages. */
import { eventsPage } from "#src/protocol/api.ts";
import { z } from "#src/protocol/schema.ts";
import { createLiveFeed } from "./live-feed.ts";
import { position } from "./log-tail-route.ts";
import type { ErrorGroups } from "../error-ports.ts";
import type { Events, Servers } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { type Streams, maxStreams } from "../sse.ts";
import type { StillGood } from "./still-good.ts";

const project = z.optional(z.string().check(z.maxLength(100)));

const time = z.optional(z.iso.datetime({ offset: true }));

const search = z.object({
  server: z.optional(z.string().check(z.maxLength(100))),
  /** id or name */
  project,
  /** a script, or what the lines of a container are filed under */
  source: z.optional(z.string().check(z.maxLength(200))),
  /** one or more, with commas between them */
  type: z.optional(z.string().check(z.maxLength(1000))),
  from: time,
  to: time,
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(1000), z.multipleOf(1)), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});

export type EventDeps = {
  readonly events: Events;
  readonly errors: Pick<ErrorGroups, "fingerprintsOf">;
  readonly servers: Servers;
  readonly streams: Streams;
  readonly scopes: Pick<Scopes, "visible" | "servers" | "project">;
  readonly stillGood: StillGood;
};

export function eventRoutes({ events, errors, servers, streams, scopes, stillGood }: EventDeps): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/events",
      permission: "view:servers",
      group: "Events",
      summary: "Crashes, give-ups, starts and losses, newest first",
      query: search,
      answer: eventsPage,
      async handle({ query, caller }) {
        const page = await events.events({
          scope: scopes.visible(caller.organizationId, query.project)(),
          serverId: query.server ?? null,
          types: query.type?.split(",") ?? null,
          source: query.source ?? null,
          fromMs: query.from === undefined ? null : Date.parse(query.from),
          toMs: query.to === undefined ? null : Date.parse(query.to),
          limit: query.limit,
          before: query.cursor ?? null,
        });
        const led = errors.fingerprintsOf(page.events.map(({ id }) => id));
        const told = page.events.map((event) => {
          const error = led.get(event.id);
          return error === undefined ? event : { ...event, error };
        });
        return Response.json({ ...page, events: told }, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/live",
      permission: "view:servers",
      group: "Events",
      summary: "All servers, then each change of one and each new event (server-sent events)",
      query: z.object({ after: z.optional(position()), project }),
      answerType: "text/event-stream",
      async handle({ query, request, caller, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const { organizationId } = caller;
        const only = query.project === undefined ? undefined : scopes.project(organizationId, query.project);
        const resume = request.headers.get("last-event-id") ?? query.after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : events.eventsHead();
        // whoever comes from another hub may have seen more than this one has heard of
        if (from > events.eventsHead()) await events.refreshEvents();
        holdOpen();
        const sight = {
          servers: () => scopes.servers(organizationId, only),
          visible: scopes.visible(organizationId, only?.id),
        };
        return streams.open(createLiveFeed(events, servers, sight, from), () => stillGood({ request, caller }));
      },
    }),
  ];
}
