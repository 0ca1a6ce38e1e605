/** What servers and applications measured over time. */
import {
  type MetricMark,
  type MetricsAnswer,
  type MetricsQuery,
  metricsAnswer,
  metricsQuery,
} from "#src/protocol/metrics.ts";
import { type FleetHistory, fleetHistory } from "#src/protocol/history.ts";
import { subjectOf } from "#src/protocol/event.ts";
import type { Events } from "../ports.ts";
import { z } from "#src/protocol/schema.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";

/** Marks of one answer; more would hide what they mark. */
const maxMarks = 500;

const fleetQuery = z.object({
  /** id or name */
  project: z.optional(z.string().check(z.maxLength(100))),
});

export type Charts = {
  chart(origin: string, query: MetricsQuery): Promise<Omit<MetricsAnswer, "marks">>;
};

export type MetricDeps = {
  readonly charts: Charts;
  readonly history: { of(ids: readonly string[]): Promise<FleetHistory> };
  readonly events: Pick<Events, "events">;
  readonly scopes: Pick<Scopes, "project" | "server" | "servers" | "source">;
};

export function metricRoutes({ charts, history, events, scopes }: MetricDeps): Route[] {
  return [
    route({
      method: "GET",
      path: "/api/fleet/history",
      permission: "view:servers",
      group: "Metrics",
      summary: "The last hour of all servers, a few numbers each",
      query: fleetQuery,
      answer: fleetHistory,
      async handle({ query, caller: { organizationId } }) {
        const only = query.project === undefined ? undefined : scopes.project(organizationId, query.project);
        const ids = scopes.servers(organizationId, only).map(({ id }) => id);
        return Response.json(await history.of(ids), { headers: { "cache-control": "no-store" } });
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/metrics",
      permission: "view:servers",
      group: "Metrics",
      summary: "What a server, its scripts and its containers measured, and what happened meanwhile",
      query: metricsQuery,
      answer: metricsAnswer,
      async handle({ params, query, caller }) {
        refuseBackwards(query);
        const { id } = scopes.server(caller.organizationId, params["id"] ?? "");
        const chart = await charts.chart(id, query);
        return answerOf({ ...chart, marks: await marksOf(events, id, chart) });
      },
    }),
    route({
      method: "GET",
      path: "/api/projects/:id/sources/:source/metrics",
      permission: "view:servers",
      group: "Metrics",
      summary: "What an application measured of itself and sent by OpenTelemetry",
      query: metricsQuery,
      answer: metricsAnswer,
      async handle({ params, query, caller }) {
        refuseBackwards(query);
        const project = scopes.project(caller.organizationId, params["id"] ?? "");
        const source = scopes.source(project, params["source"] ?? "");
        return answerOf({ ...(await charts.chart(source.id, query)), marks: [] });
      },
    }),
  ];
}

function refuseBackwards({ from, to }: MetricsQuery): void {
  if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)) {
    throw new HttpFault(400, "the query is not valid: from must be before to");
  }
}

function answerOf(answer: MetricsAnswer): Response {
  return Response.json(answer, { headers: { "cache-control": "no-store" } });
}

/** Events of the stretch, oldest first. */
async function marksOf(
  events: Pick<Events, "events">,
  serverId: string,
  { from, to }: Pick<MetricsAnswer, "from" | "to">,
): Promise<MetricMark[]> {
  const page = await events.events({
    scope: null,
    serverId,
    types: null,
    source: null,
    fromMs: Date.parse(from),
    toMs: Date.parse(to),
    limit: maxMarks,
    before: null,
  });
  return page.events
    .map(({ id, event }) => ({ id, at: event.at, type: event.type, subject: subjectOf(event) }))
    .toReversed();
}
