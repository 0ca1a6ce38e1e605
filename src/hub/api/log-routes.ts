/** Searching logs, and following them live. */
import { logFilter, logsPage } from "#src/protocol/api.ts";
import { z } from "#src/protocol/schema.ts";
import { createLogFeed } from "./log-feed.ts";
import type { Logs } from "./ports.ts";
import { HttpFault, retryAfterSeconds } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { type Streams, maxStreams } from "./sse.ts";

const search = z.extend(logFilter, {
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(1000), z.multipleOf(1)), 100),
  cursor: z.optional(z.string().check(z.regex(/^-?\d{1,16}\.\d{1,16}$/, "is not one that this hub gave out"))),
});

const tail = z.extend(logFilter, { after: z.optional(position()) });

/** Searches that read the store at the same time. */
const maxSearches = 4;
const maxWaitingSearches = 100;

export function logRoutes(logs: Logs, streams: Streams): Route[] {
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
      summary: "Search log entries, newest first",
      query: search,
      answer: logsPage,
      async handle({ query, request }) {
        const { limit, cursor, ...filter } = query;
        const page = await takeTurn(() => logs.search({ ...filter, limit, before: cursor ?? null }, request.signal));
        return Response.json(page, { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/tail",
      permission: "view:servers",
      summary: "Follow log entries (server-sent events); Last-Event-ID or `after` resumes",
      query: tail,
      handle({ query, request, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const { after, ...filter } = query;
        const resume = request.headers.get("last-event-id") ?? after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : logs.head();
        holdOpen();
        return streams.open(createLogFeed(logs, filter, from));
      },
    }),
  ];
}

/** An id that a live stream gave out. */
export function position() {
  return z.string().check(z.regex(/^\d{1,15}$/, "must be an id that a live stream gave out"));
}
