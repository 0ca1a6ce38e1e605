import { describe, expect, test } from "bun:test";

import type { Call, Route } from "#src/hub/api/route.ts";
import { HttpFault } from "#src/hub/api/problem.ts";
import { logSearchRoutes } from "#src/hub/api/routes/log-search.ts";
import { createStreams } from "#src/hub/api/sse.ts";
import type { Arrivals, LogSearches, SearchPart } from "#src/hub/api/search-ports.ts";
import { exportLines } from "#src/hub/store/search/export.ts";
import type { Histogram } from "#src/hub/store/log-port.ts";
import { type Job, startJob } from "#src/hub/store/search/jobs.ts";
import type { Top } from "#src/hub/store/search/top.ts";
import type { Events } from "#src/hub/api/ports.ts";
import type { EventsPage, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
import type { HistogramAnswer, SearchLine, SearchPage } from "#src/protocol/query-answers.ts";
import { check } from "#src/protocol/schema.ts";
import { crash } from "#test/hub/kit/hub.ts";
import { createArrivals } from "./arrivals.ts";
import { createMemoryReader } from "#test/hub/store/search/memory-reader.ts";

const servers = [
  { id: "s-1", projectId: "p-1", hostname: "web-1" },
  { id: "s-2", projectId: "p-1", hostname: "web-2" },
  { id: "s-9", projectId: "p-9", hostname: "other" },
].map((server) => ({ ...server, createdAtMs: 0, tokenUsedAtMs: null, heartbeat: null }));
const startMs = Date.parse("2026-01-01T00:00:00Z");

function entry(
  id: number,
  serverId: string,
  level: StoredEntry["level"],
  message: string,
  fields?: StoredEntry["fields"],
) {
  const at = new Date(startMs + id * 1000).toISOString();
  const rest = { id: String(id), seq: id, at, serverId, source: "api", stream: "stdout" as const, level, message };
  return fields === undefined ? rest : { ...rest, fields };
}

const entries: readonly StoredEntry[] = [
  entry(1, "s-1", "info", "start"),
  entry(2, "s-1", "error", "connection refused", { status: 500 }),
  entry(3, "s-2", "warn", "connection slow", { status: 200 }),
  entry(4, "s-9", "error", "connection of another organization"),
  entry(5, "s-1", "info", "done", { status: 200 }),
];

const at = (seconds: number) => new Date(startMs + seconds * 1000).toISOString();
const crashOf = (script: string, seconds: number) => crash({ at: at(seconds), script });
/** What happened, oldest first. */
const happened: readonly StoredEvent[] = [
  { id: "1", serverId: "s-1", hostname: "web-1", event: crashOf("api", 0) },
  { id: "2", serverId: "s-1", hostname: "web-1", event: crashOf("api", 2.5) },
  { id: "3", serverId: "s-2", hostname: "web-2", event: crashOf("worker", 4) },
  {
    id: "4",
    serverId: "s-1",
    hostname: "web-1",
    event: { type: "agent.started", at: at(6), version: "1.0.0", reason: "boot" },
  },
];

/** A page of them, as the store gives it. */
function eventsOf({ scope, serverId, fromMs, toMs, limit, before }: Parameters<Events["events"]>[0]): EventsPage {
  const wanted = happened.filter(({ id, serverId: own, event }) => {
    const ms = Date.parse(event.at);
    if (before !== null && Number(id) >= Number(before.split(".")[1])) return false;
    if (scope !== null && !scope.has(own)) return false;
    return (serverId ?? own) === own && ms >= (fromMs ?? -Infinity) && ms < (toMs ?? Infinity);
  });
  const events = wanted.toReversed().slice(0, limit);
  return { events, cursor: events.length < wanted.length ? `0.${events.at(-1)?.id}` : null };
}

/** The routes over `entries`, for an organization with the first two servers. */
function createRoutes() {
  const groups = Map.groupBy(entries, ({ serverId }) => serverId);
  const reader = createMemoryReader(
    [...groups.values()].map((group) => ({
      kind: "block",
      lines: group.map((one) => ({ entry: one, ms: Date.parse(one.at) })),
    })),
  );
  const run = (job: Job) => {
    const parts: SearchPart[] = [];
    const steps = startJob(reader, job);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return { parts, result: step.value };
      if (step.value !== undefined) parts.push(step.value);
    }
  };
  const arrivals = createArrivals();
  for (const one of entries) arrivals.arrive([one]);
  const logs: LogSearches & Arrivals = {
    async *search(search) {
      yield* run({ kind: "search", search }).parts;
    },
    histogram: async (selection, stepMs, budgetMs) =>
      run({ kind: "histogram", selection, stepMs, budgetMs }).result as Histogram,
    top: async (selection, path, limit, budgetMs) =>
      run({ kind: "top", selection, path, limit, budgetMs }).result as Top,
    context: async (id, before, after) => run({ kind: "context", id, before, after }).result as readonly StoredEntry[],
    export: (selection) => exportLines(logs, selection),
    ...arrivals,
  };
  const own = new Set(["s-1", "s-2"]);
  return logSearchRoutes({
    logs,
    events: { events: async (search) => eventsOf(search) },
    streams: createStreams(),
    scopes: {
      visible: () => () => own,
      servers: () => servers.filter(({ id }) => own.has(id)),
      project: () => {
        throw new HttpFault(404, "there is no such project");
      },
    },
    servers: { revision: () => 1 },
    stillGood: async () => true,
  });
}

const routes = createRoutes();

async function get(
  path: string,
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
  params = {},
) {
  const route = routes.find((one) => one.path === path) as Route;
  const checked = route.query === undefined ? undefined : check(route.query, query, "the query");
  const call = {
    request: new Request("http://hub.test/", { headers }),
    params,
    query: checked,
    caller: { kind: "key", id: "k", name: "k", organizationId: "o", scopes: [] },
    address: null,
    requestId: "r",
    holdOpen: () => undefined,
  } as unknown as Call;
  const response = await route.handle(call);
  if (route.answer !== undefined && response.headers.get("content-type")?.startsWith("application/json") === true) {
    check(route.answer, await response.clone().json(), "the answer");
  }
  return response;
}

async function ids(q: string, more: Record<string, string> = {}): Promise<string[]> {
  const response = await get("/api/logs", { ...(q === "" ? {} : { q }), ...more });
  const page = (await response.json()) as { entries: StoredEntry[] };
  return page.entries.map(({ id }) => id);
}

describe("GET /api/logs", () => {
  test("answers the query language, newest first, within what the caller may see", async () => {
    expect(await ids("")).toEqual(["5", "3", "2", "1"]);
    expect(await ids("connection")).toEqual(["3", "2"]);
    expect(await ids("connection -slow")).toEqual(["2"]);
    expect(await ids("status:200")).toEqual(["5", "3"]);
    expect(await ids("level>=warn", { order: "oldest" })).toEqual(["2", "3"]);
  });

  test("finds servers by hostname and by id", async () => {
    expect(await ids("server:WEB-2")).toEqual(["3"]);
    expect(await ids("server:web-*")).toEqual(["5", "3", "2", "1"]);
    expect(await ids("server:s-2")).toEqual(["3"]);
    expect(await ids("server:other OR server:s-9")).toEqual([]);
    expect(await ids("-server:web-1")).toEqual(["3"]);
  });

  test("says where a query is wrong", async () => {
    expect(get("/api/logs", { q: 'a "b' })).rejects.toThrow("q is not valid: column 3: the quote is not closed");
  });

  test("answers a page at a time", async () => {
    const first = (await (await get("/api/logs", { limit: "3" })).json()) as { cursor: string; stoppedEarly: null };
    expect(first).toMatchObject({ stoppedEarly: null, damaged: 0 });
    expect(await ids("", { limit: "3", cursor: first.cursor })).toEqual(["1"]);
  });

  test("answers line by line, or in events, when asked to", async () => {
    const lines = await (await get("/api/logs", { q: "refused" }, { accept: "application/x-ndjson" })).text();
    expect(
      lines
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { entry: entries[1] },
      { end: { cursor: null, stoppedEarly: null, lines: 4, blocks: 2, opened: 2, damaged: 0 } },
    ]);
    const events = await (await get("/api/logs", { q: "refused" }, { accept: "text/event-stream" })).text();
    expect(events).toStartWith(`event: log\ndata: ${JSON.stringify(entries[1])}\n\nevent: end\n`);
  });
});

test("the histogram counts by level", async () => {
  const answer = await (await get("/api/logs/histogram", { step: "60" })).json();
  expect(answer).toEqual({
    step: 60,
    buckets: [{ at: "2026-01-01T00:00:00.000Z", counts: { info: 2, warn: 1, error: 1 } }],
    total: 4,
    partial: false,
  });
});

test("top values are counted", async () => {
  const answer = await (await get("/api/logs/top", { field: "status" })).json();
  expect(answer).toEqual({
    values: [
      { value: "200", count: 2 },
      { value: "500", count: 1 },
    ],
    partial: false,
  });
});

describe("GET /api/logs/:id/context", () => {
  const around = async (id: string) =>
    (
      (await (await get("/api/logs/:id/context", { before: "1", after: "1" }, {}, { id })).json()) as {
        entries: StoredEntry[];
      }
    ).entries;

  test("gives the neighbours in the same source", async () => {
    expect((await around("2")).map(({ id }) => id)).toEqual(["1", "2", "5"]);
  });

  test("has nothing of others, nor of what is gone", () => {
    expect(around("4")).rejects.toThrow("there is no such entry");
    expect(around("77")).rejects.toThrow("there is no such entry");
    expect(around("x")).rejects.toThrow("there is no such entry");
  });
});

describe("marks", () => {
  const marksIn = async (query: Record<string, string>) => {
    const page = (await (await get("/api/logs", { ...query, marks: "true" })).json()) as SearchPage;
    return { ...page, ids: page.marks?.map(({ id }) => id) };
  };

  test("are what happened in the stretch of an answer; each is on one page, in either order", async () => {
    for (const order of ["newest", "oldest"]) {
      const seen: string[] = [];
      let cursor: string | null | undefined;
      do {
        const page = await marksIn({ order, limit: "1", ...(typeof cursor === "string" ? { cursor } : {}) });
        seen.push(...(page.ids ?? []));
        ({ cursor } = page);
      } while (cursor !== null);
      expect(seen).toEqual(order === "newest" ? ["4", "3", "2", "1"] : ["1", "2", "3", "4"]);
    }
    const all = await marksIn({});
    expect(all.marks?.[2]).toEqual({ id: "3", at: at(4), type: "script.crashed", serverId: "s-2", subject: "worker" });
    expect(all.marksCut).toBe(false);
  });

  test("are of the servers, sources and times that are asked for", async () => {
    expect((await marksIn({ server: "s-2" })).ids).toEqual(["3"]);
    expect((await marksIn({ source: "api" })).ids).toEqual(["1", "2"]);
    expect((await marksIn({ from: at(2), to: at(5) })).ids).toEqual(["2", "3"]);
    expect((await marksIn({ q: "server:web-1 refused" })).ids).toEqual(["1", "2", "4"]);
    expect((await marksIn({ q: "-source:api" })).ids).toEqual(["3", "4"]);
    expect((await marksIn({ q: "refused OR source:api" })).ids).toEqual(["1", "2", "3", "4"]);
    expect((await marksIn({ q: "source:api OR container:worker" })).ids).toEqual(["1", "2", "3"]);
  });

  test("come with a histogram, before the end of a stream, and not unless they are asked for", async () => {
    const histogram = (await (
      await get("/api/logs/histogram", { marks: "true", step: "1" })
    ).json()) as HistogramAnswer;
    expect(histogram.marks?.map(({ id }) => id)).toEqual(["2", "3"]);
    const response = await get("/api/logs", { marks: "true" }, { accept: "application/x-ndjson" });
    const lines = Bun.JSONL.parse(await response.text()) as SearchLine[];
    expect(lines.slice(-2).map((line) => Object.keys(line)[0])).toEqual(["marks", "end"]);
    expect(Object.keys(await (await get("/api/logs")).json())).not.toContain("marks");
  });
});

test("the export has everything, oldest first, a line each", async () => {
  const text = await (await get("/api/logs/export", { q: "-start" })).text();
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as StoredEntry).id),
  ).toEqual(["2", "3", "5"]);
});

test("the tail lets through what the query asks for and the caller may see", async () => {
  const response = await get("/api/logs/tail", { q: "connection server:web*", after: "0" });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let text = "";
  while (!text.includes("id: 3")) text += Buffer.from((await reader.read()).value ?? []).toString();
  await reader.cancel();
  expect([...text.matchAll(/^id: (\d+)\nevent: log$/gm)].map(([, id]) => id)).toEqual(["2", "3"]);
});
