/** Searching logs, what they add up to, and following them live. */
import {
  type ContextAnswer,
  type HistogramAnswer,
  type LogMarks,
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
import type { Events, Servers } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Arrivals, EntrySearch, LogSearches, SearchPart } from "../search-ports.ts";
import type { Streams } from "../sse.ts";
import { marksWithin } from "./log-marks.ts";
import { answerInPieces, formOf } from "./log-pieces.ts";
import { createSelected, sees } from "./log-selection.ts";
import { logTailRoutes } from "./log-tail-route.ts";
import type { Scopes } from "./scope.ts";
import type { StillGood } from "./still-good.ts";
import { createTurns } from "./turns.ts";

/** Exports that are read at the same time. */
const maxExports = 4;
const noStore = { "cache-control": "no-store" };

export type LogSearchDeps = {
  readonly logs: LogSearches & Arrivals;
  readonly events: Pick<Events, "events">;
  readonly streams: Streams;
  readonly scopes: Pick<Scopes, "visible" | "servers" | "project">;
  readonly servers: Pick<Servers, "revision">;
  readonly stillGood: StillGood;
  /** see log-tail-route.ts */
  readonly refreshHead?: (() => Promise<unknown>) | undefined;
};

export function logSearchRoutes(deps: LogSearchDeps): Route[] {
  const { logs, events, streams, scopes, servers, stillGood, refreshHead } = deps;
  const turns = createTurns();
  const selected = createSelected(scopes);
  let exports = 0;

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
        const { order, limit, cursor, budget, marks, ...asked } = query;
        const selection = selected(asked, caller).select();
        const search = { ...selection, order, limit, cursor: cursor ?? null, budgetMs: budget };
        const form = formOf(request);
        const marksTo = async (end: string | null): Promise<LogMarks | undefined> =>
          marks === "true" ? await marksWithin(events, selection, stretchOf(search, end)) : undefined;
        holdOpen();
        if (form === undefined) {
          const page = await pageOf(inTurn(search, request.signal));
          const answer: SearchPage = { ...page, ...(await marksTo(page.cursor)) };
          return Response.json(answer, { headers: noStore });
        }
        const stop = new AbortController();
        const signal = AbortSignal.any([request.signal, stop.signal]);
        return answerInPieces(inTurn(search, signal), form, { stop: () => stop.abort(), marksTo });
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
        const { step, budget, marks, ...asked } = query;
        const selection = selected(asked, caller).select();
        holdOpen();
        const stepMs = step === undefined ? null : Math.round(step * 1000);
        const found = await work(() => logs.histogram(selection, stepMs, budget, request.signal));
        const answer: HistogramAnswer = {
          step: found.stepMs / 1000,
          buckets: found.buckets.map(({ fromMs, counts }) => ({ at: new Date(fromMs).toISOString(), counts })),
          total: found.total,
          partial: found.partial,
          ...(marks === "true" ? await marksWithin(events, selection, bucketsOf(found)) : {}),
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
        if (first === undefined || !sees(visible(), first.serverId)) throw new HttpFault(404, "there is no such entry");
        const answer: ContextAnswer = { entries: [...entries] };
        return Response.json(answer, { headers: noStore });
      },
    }),
    ...logTailRoutes({ logs, streams, selected, servers, stillGood, refreshHead }),
  ];
}

/** What a page covers, from its own cursor to where it ended: each mark is on one page of a search. */
function stretchOf({ order, cursor }: Pick<EntrySearch, "order" | "cursor">, end: string | null) {
  // a cursor begins with its milliseconds
  const [here, there] = [cursor, end].map((text) => (text === null ? null : Number.parseInt(text, 10)));
  return order === "newest"
    ? { fromMs: there ?? null, toMs: here ?? null }
    : { fromMs: here ?? null, toMs: there ?? null };
}

/** What a histogram covers. */
function bucketsOf({ stepMs, buckets }: Pick<Awaited<ReturnType<LogSearches["histogram"]>>, "stepMs" | "buckets">) {
  const last = buckets.at(-1);
  return { fromMs: buckets[0]?.fromMs ?? null, toMs: last === undefined ? null : last.fromMs + stepMs };
}

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
