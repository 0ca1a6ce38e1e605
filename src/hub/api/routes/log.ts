/** Searching logs, and following them live. */
import { logFilter, logsPage } from "#src/protocol/api.ts";
import { z } from "#src/protocol/schema.ts";
import { createLogFeed } from "./log-feed.ts";
import type { Logs } from "../ports.ts";
import { HttpFault, retryAfterSeconds } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { type Streams, maxStreams } from "../sse.ts";
import type { StillGood } from "./still-good.ts";

const search = z.extend(logFilter, {
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(1000), z.multipleOf(1)), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});

const tail = z.extend(logFilter, { after: z.optional(position()) });

/** Searches that read the store at the same time. */
const maxSearches = 4;
const maxWaitingSearches = 100;

export type LogDeps = {
  readonly logs: Logs;
  readonly streams: Streams;
  readonly scopes: Pick<Scopes, "visible">;
  readonly stillGood: StillGood;
};

export function logRoutes({ logs, streams, scopes, stillGood }: LogDeps): Route[] {
  let running = 0;
  const turns: (() => void)[] = [];

  async function takeTurn<T>(work: () => Promise<T>): Promise<T> {
    if (turns.length >= maxWaitingSearches) {
      throw new HttpFault(503, "too many searches wait for their turn", { "retry-after": String(retryAfterSeconds) });
    }
    if (running >= maxSearches) await new Promise<void>((resolve) => void turns.push(resolve));
    running++;
    try {
      return await work();
    } finally {
      running--;
      turns.shift()?.();
    }
  }

  return [
    route({
      method: "GET",
      path: "/api/logs",
      permission: "view:servers",
      group: "Logs",
      summary: "Search log entries, newest first",
      query: search,
      answer: logsPage,
      async handle({ query, request, caller }) {
        const { limit, cursor, project, ...filter } = query;
        const visible = scopes.visible(caller.organizationId, project);
        const page = await takeTurn(() =>
          logs.search({ ...filter, scope: visible(), limit, before: cursor ?? null }, request.signal),
        );
        return Response.json(page, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/tail",
      permission: "view:servers",
      group: "Logs",
      summary: "Follow log entries (server-sent events); Last-Event-ID or `after` resumes",
      query: tail,
      answerType: "text/event-stream",
      handle({ query, request, caller, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const { after, project, ...filter } = query;
        const visible = scopes.visible(caller.organizationId, project);
        const resume = request.headers.get("last-event-id") ?? after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : logs.head();
        holdOpen();
        const feed = createLogFeed(logs, { ...filter, visible }, from);
        return streams.open(feed, () => stillGood({ request, caller }));
      },
    }),
  ];
}

/** An id that a live stream gave out. */
export function position() {
  return z.string().check(z.regex(/^\d{1,15}$/, "must be an id that a live stream gave out"));
}
