/** Following logs live. */
import { logSelection } from "#src/protocol/query-answers.ts";
import { z } from "#src/protocol/schema.ts";
import type { Servers } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Arrivals } from "../search-ports.ts";
import { type Streams, maxStreams } from "../sse.ts";
import { type Selected, namesServers, sees } from "./log-selection.ts";
import { createFilters } from "./log-tail-batch.ts";
import { createTailSource } from "./log-tail-source.ts";
import { createLogTail } from "./log-tail.ts";
import type { StillGood } from "./still-good.ts";
import { createTailBudget } from "./tail-budget.ts";

const tail = z.extend(logSelection, {
  after: z.optional(position()),
});

export type LogTailDeps = {
  readonly logs: Arrivals;
  readonly streams: Streams;
  readonly selected: Selected;
  readonly servers: Pick<Servers, "revision">;
  readonly stillGood: StillGood;
  /** Learns where the log ends, for readers who come from another hub; left out: this one knows. */
  readonly refreshHead?: (() => Promise<unknown>) | undefined;
};

export function logTailRoutes({ logs, streams, selected, servers, stillGood, refreshHead }: LogTailDeps): Route[] {
  const tails = createTailSource(logs, createTailBudget());
  const filters = createFilters(logs);
  return [
    route({
      method: "GET",
      path: "/api/logs/tail",
      permission: "view:servers",
      group: "Logs",
      summary: "Follow log entries (server-sent events); Last-Event-ID or `after` resumes",
      query: tail,
      answerType: "text/event-stream",
      async handle({ query, request, caller, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const { after, ...asked } = query;
        const { select, visible } = selected(asked, caller);
        const resume = request.headers.get("last-event-id") ?? after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : logs.head();
        // whoever comes from another hub may have read more than this one has heard of
        if (from > logs.head()) await refreshHead?.();
        let selection = select();
        let used = filters.use(selection);
        let revision = servers.revision();
        const named = namesServers(selection.query);
        holdOpen();
        const filterNow = () => {
          // hostnames in the query may mean other servers by now
          if (named && revision !== servers.revision()) {
            revision = servers.revision();
            selection = select();
            const next = filters.use(selection);
            used.done();
            used = next;
          }
          return used.filter;
        };
        const maySee = (serverId: string) => sees(visible(), serverId);
        const feed = createLogTail(
          { source: tails, filterNow, servers: () => selection.servers, maySee, done: () => used.done() },
          from,
        );
        return streams.open(feed, async () => !feed.ended() && (await stillGood({ request, caller })));
      },
    }),
  ];
}

/** An id that a live stream gave out. */
export function position() {
  return z.string().check(z.regex(/^\d{1,15}$/, "must be an id that a live stream gave out"));
}
