/** Searching logs, what they add up to, and following them live. */
import {
  type ContextAnswer,
  type HistogramAnswer,
  type SearchPage,
  contextAnswer,
  contextQuery,
  histogramAnswer,
  histogramQuery,
  logSearch,
  logSelection,
  searchPage,
  topAnswer,
  topQuery,
} from "#src/protocol/query-answers.ts";
import { selectorOf } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { z } from "#src/protocol/schema.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { MemberCaller } from "../caller.ts";
import type { Servers, Visible } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Arrivals, EntrySearch, LogSearches, SearchPart } from "../search-ports.ts";
import { type Streams, maxStreams } from "../sse.ts";
import { answerInPieces, formOf } from "./log-pieces.ts";
import { type Asked, namesServers, selectionOf } from "./log-selection.ts";
import { createLogTail } from "./log-tail.ts";
import type { Scopes } from "./scope.ts";
import type { StillGood } from "./still-good.ts";
import { createTailBudget } from "./tail-budget.ts";
import { createTurns } from "./turns.ts";

const tail = z.extend(logSelection, {
  after: z.optional(position()),
});

/** Exports that are read at the same time. */
const maxExports = 4;
const noStore = { "cache-control": "no-store" };

export type LogSearchDeps = {
  readonly logs: LogSearches & Arrivals;
  readonly streams: Streams;
  readonly scopes: Pick<Scopes, "visible" | "servers" | "project">;
  readonly servers: Pick<Servers, "revision">;
  readonly stillGood: StillGood;
};

export function logSearchRoutes({ logs, streams, scopes, servers, stillGood }: LogSearchDeps): Route[] {
  const turns = createTurns();
  const budget = createTailBudget();
  let exports = 0;

  /** What is asked for, within what the caller may see. */
  function selected(asked: Asked & { readonly project?: string | undefined }, { organizationId }: MemberCaller) {
    const { project } = asked;
    const visible = scopes.visible(organizationId, project);
    const named = () =>
      scopes.servers(organizationId, project === undefined ? undefined : scopes.project(organizationId, project));
    return { visible, select: (): LogSelection => selectionOf(asked, visible(), named) };
  }

  /** A search in its turn. */
  async function* inTurn(search: EntrySearch, signal: AbortSignal): AsyncGenerator<SearchPart, void, void> {
    const over = await turns.take();
    try {
      yield* logs.search(search, signal);
    } finally {
      over();
    }
  }

  async function work<T>(run: () => Promise<T>): Promise<T> {
    const over = await turns.take();
    try {
      return await run();
    } finally {
      over();
    }
  }

  return [
    route({
      method: "GET",
      path: "/api/logs",
      permission: "view:servers",
      group: "Logs",
      summary:
        "Search log entries; with `Accept: application/x-ndjson` or `text/event-stream` hits come as they are found",
      query: logSearch,
      answer: searchPage,
      async handle({ query, request, caller, holdOpen }) {
        const { order, limit, cursor, budget, ...asked } = query;
        const selection = selected(asked, caller).select();
        const search = { ...selection, order, limit, cursor: cursor ?? null, budgetMs: budget };
        const form = formOf(request);
        holdOpen();
        if (form === undefined)
          return Response.json(await pageOf(inTurn(search, request.signal)), { headers: noStore });
        const stop = new AbortController();
        const signal = AbortSignal.any([request.signal, stop.signal]);
        return answerInPieces(inTurn(search, signal), form, () => stop.abort());
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/histogram",
      permission: "view:servers",
      group: "Logs",
      summary: "Entries per level over time",
      query: histogramQuery,
      answer: histogramAnswer,
      async handle({ query, request, caller, holdOpen }) {
        const { step, budget, ...asked } = query;
        const selection = selected(asked, caller).select();
        holdOpen();
        const stepMs = step === undefined ? null : Math.round(step * 1000);
        const found = await work(() => logs.histogram(selection, stepMs, budget, request.signal));
        const answer: HistogramAnswer = {
          step: found.stepMs / 1000,
          buckets: found.buckets.map(({ fromMs, counts }) => ({ at: new Date(fromMs).toISOString(), counts })),
          total: found.total,
          partial: found.partial,
        };
        return Response.json(answer, { headers: noStore });
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/top",
      permission: "view:servers",
      group: "Logs",
      summary: "The most frequent values of a field",
      query: topQuery,
      answer: topAnswer,
      async handle({ query, request, caller, holdOpen }) {
        const { field, limit, budget, ...asked } = query;
        const selection = selected(asked, caller).select();
        holdOpen();
        const found = await work(() => logs.top(selection, field, limit, budget, request.signal));
        return Response.json(found, { headers: noStore });
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/export",
      permission: "view:servers",
      group: "Logs",
      summary: "Everything that matches, oldest first, an entry a line",
      query: logSelection,
      answerType: "application/x-ndjson",
      handle({ query, caller, holdOpen }) {
        const selection = selected(query, caller).select();
        if (exports >= maxExports) throw new HttpFault(503, "too many exports are read", { "retry-after": "30" });
        exports++;
        holdOpen();
        const stop = new AbortController();
        return exported(logs.export(selection, stop.signal), () => {
          stop.abort();
          exports--;
        });
      },
    }),
    route({
      method: "GET",
      path: "/api/logs/:id/context",
      permission: "view:servers",
      group: "Logs",
      summary: "What the same source of the same server logged around an entry",
      query: contextQuery,
      answer: contextAnswer,
      async handle({ params, query, caller }) {
        const { visible } = selected({}, caller);
        const entries = await work(() => logs.context(params["id"] ?? "", query.before, query.after));
        const [first] = entries;
        if (first === undefined || !maySee(visible(), first)) throw new HttpFault(404, "there is no such entry");
        const answer: ContextAnswer = { entries: [...entries] };
        return Response.json(answer, { headers: noStore });
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
        const { after, ...asked } = query;
        const { select, visible } = selected(asked, caller);
        const resume = request.headers.get("last-event-id") ?? after;
        const from = resume !== undefined && /^\d{1,15}$/.test(resume) ? Number(resume) : logs.head();
        let test = selectorOf({ ...select(), scope: null });
        let revision = servers.revision();
        const named = namesServers(select().query);
        holdOpen();
        const testNow = () => {
          // hostnames in the query may mean other servers by now
          if (named && revision !== servers.revision()) {
            revision = servers.revision();
            test = selectorOf({ ...select(), scope: null });
          }
          const scope = visible();
          return (entry: StoredEntry) => maySee(scope, entry) && test(entry);
        };
        const feed = createLogTail({ logs, testNow, budget }, from);
        return streams.open(feed, async () => !feed.tooSlow() && (await stillGood({ request, caller })));
      },
    }),
  ];
}

const maySee = (visible: Visible, { serverId }: StoredEntry): boolean => visible === null || visible.has(serverId);

async function pageOf(parts: AsyncIterable<SearchPart>): Promise<SearchPage> {
  const page: SearchPage = { entries: [], cursor: null, stoppedEarly: null, damaged: 0 };
  for await (const part of parts) {
    if (part.kind === "hits") page.entries.push(...part.entries);
    else if (part.kind === "end") {
      const { cursor, stoppedEarly, damaged } = part;
      Object.assign(page, { cursor, stoppedEarly, damaged });
    }
  }
  return page;
}

/** An answer of unknown length that its reader may take at its own pace. `over` is called once, however it ends. */
function exported(pieces: AsyncIterable<Uint8Array>, over: () => void): Response {
  const iterator = pieces[Symbol.asyncIterator]();
  let left = false;
  const leave = () => {
    if (!left) over();
    left = true;
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next();
          if (done !== true) return controller.enqueue(value);
          leave();
          controller.close();
        } catch (error) {
          leave();
          throw error;
        }
      },
      async cancel() {
        leave();
        await iterator.return?.();
      },
    },
    { highWaterMark: 1 },
  );
  return new Response(stream, {
    headers: {
      ...noStore,
      "content-type": "application/x-ndjson; charset=utf-8",
      "content-disposition": 'attachment; filename="logs.ndjson"',
    },
  });
}

/** An id that a live stream gave out. */
export function position() {
  return z.string().check(z.regex(/^\d{1,15}$/, "must be an id that a live stream gave out"));
}
