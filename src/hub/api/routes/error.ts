/** Error groups: lists, one with its samples, decisions, and live. */
import {
  type ErrorDecision,
  type ErrorGroup,
  errorDecision,
  errorDetail,
  errorGroup,
  errorsPage,
  errorsQuery,
  fingerprint,
  samplesPage,
  samplesQuery,
} from "#src/protocol/error-group.ts";
import type { AuditAction } from "#src/protocol/audit.ts";
import { z } from "#src/protocol/schema.ts";
import { type Trail, actorOf } from "../audit.ts";
import { readJson } from "../body.ts";
import type { ErrorGroups } from "../error-ports.ts";
import type { Projects } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import { type Streams, maxStreams } from "../sse.ts";
import { createErrorFeed } from "./error-feed.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";
import type { StillGood } from "./still-good.ts";

const project = z.optional(z.string().check(z.maxLength(100)));

export type ErrorDeps = {
  readonly groups: ErrorGroups;
  readonly projects: Pick<Projects, "of">;
  readonly scopes: Pick<Scopes, "project">;
  readonly streams: Streams;
  readonly stillGood: StillGood;
  readonly trail: Trail;
};

const actions: Readonly<Record<ErrorDecision["action"], AuditAction>> = {
  resolve: "error.resolved",
  ignore: "error.ignored",
  reopen: "error.reopened",
  merge: "error.merged",
  split: "error.split",
};

export function errorRoutes({ groups, projects, scopes, streams, stillGood, trail }: ErrorDeps): Route[] {
  /** Ids of the projects that an organization sees, or of the one that is asked for. */
  const visible = (organizationId: string, idOrName?: string): readonly string[] =>
    idOrName === undefined
      ? projects.of(organizationId).map(({ id }) => id)
      : [scopes.project(organizationId, idOrName).id];

  return [
    route({
      method: "GET",
      path: "/api/errors",
      permission: "view:servers",
      group: "Errors",
      summary: "Error groups, by default errors and messages, the last seen first",
      query: errorsQuery,
      answer: errorsPage,
      handle({ query, caller }) {
        const { kind, q, since, project: only, state, source, server, release, sort, limit, cursor } = query;
        const page = groups.list({
          projects: visible(caller.organizationId, only),
          kinds: kind === undefined ? ["error", "message"] : [kind],
          state: state ?? null,
          text: q ?? null,
          source: source ?? null,
          server: server ?? null,
          release: release ?? null,
          sinceMs: since === undefined ? null : Date.parse(since),
          sort,
          limit,
          cursor: cursor ?? null,
        });
        return jsonText(JSON.stringify(page));
      },
    }),
    route({
      method: "GET",
      path: "/api/errors/live",
      permission: "view:servers",
      group: "Errors",
      summary: "Each group that changes, from now on (server-sent events)",
      query: z.object({ project }),
      answerType: "text/event-stream",
      handle({ query, request, caller, holdOpen }) {
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        const { organizationId } = caller;
        const only = query.project === undefined ? undefined : scopes.project(organizationId, query.project).id;
        const seen = () => (only === undefined ? visible(organizationId) : [only]);
        holdOpen();
        return streams.open(createErrorFeed(groups, seen), () => stillGood({ request, caller }));
      },
    }),
    route({
      method: "GET",
      path: "/api/errors/:fingerprint",
      permission: "view:servers",
      group: "Errors",
      summary: "One group: why its events are one, where they came from, crashes, and the newest sample",
      answer: errorDetail,
      handle({ params, caller }) {
        const found = groups.detail(visible(caller.organizationId), nameOf(params));
        if (found === undefined) throw gone();
        return jsonText(JSON.stringify(found));
      },
    }),
    route({
      method: "GET",
      path: "/api/errors/:fingerprint/events",
      permission: "view:servers",
      group: "Errors",
      summary: "Events of a group that are kept as samples, newest first",
      query: samplesQuery,
      answer: samplesPage,
      handle({ params, query, caller }) {
        const before = query.cursor === undefined ? null : Number(query.cursor);
        const page = groups.samples(visible(caller.organizationId), nameOf(params), before, query.limit);
        if (page === undefined) throw gone();
        return jsonText(JSON.stringify(page));
      },
    }),
    route({
      method: "PATCH",
      path: "/api/errors/:fingerprint",
      permission: "manage:servers",
      group: "Errors",
      summary: "Resolve, ignore, reopen, merge or split a group; the answer is the group that it has become",
      body: errorDecision,
      answer: errorGroup,
      async handle(call) {
        const { params, request, caller } = call;
        const seen = visible(caller.organizationId);
        const name = nameOf(params);
        if (groups.get(seen, name) === undefined) throw gone();
        const decision = await readJson(request, errorDecision);
        const decided = await groups.decide(seen, name, decision, actorOf(caller).name);
        if (decided === undefined) throw gone();
        const { action, ...details } = decision;
        const target = { kind: "error", id: name, name: titleOf(decided) };
        await trail(call, actions[action], target, { ...details, group: decided.fingerprint });
        return jsonText(JSON.stringify(decided));
      },
    }),
  ];
}

/** What is no fingerprint leads to no group. */
function nameOf(params: Readonly<Record<string, string>>): string {
  const name = params["fingerprint"] ?? "";
  if (!z.core.safeParse(fingerprint, name).success) throw gone();
  return name;
}

function titleOf({ type, value }: ErrorGroup): string {
  return type === null ? value : value === "" ? type : `${type}: ${value}`;
}

function gone(): HttpFault {
  return new HttpFault(404, "there is no such error group");
}
