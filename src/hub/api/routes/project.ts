/** Projects, and their sources. */
import { timestamp } from "#src/lib/clock.ts";
import {
  type NewSource,
  type Project,
  type Source,
  newSource,
  project,
  projectChange,
  projectRequest,
  projectsPage,
  sourceRequest,
  sourcesPage,
} from "#src/protocol/project.ts";
import type { Trail } from "../audit.ts";
import { readJson } from "../body.ts";
import type { MemberCaller } from "../caller.ts";
import { byPlace, pageOf, pageQuery, placeBy } from "../paging.ts";
import type { ProjectView, Projects, SourceView, Tokens } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";

export type ProjectDeps = {
  readonly projects: Projects;
  readonly tokens: Pick<Tokens, "forgetProject">;
  readonly scopes: Pick<Scopes, "project" | "source" | "serverCount">;
  readonly trail: Trail;
  /** what is kept of projects that say nothing else */
  readonly hubRetention: Project["hubRetention"];
};

type ProjectCall = { readonly params: Readonly<Record<string, string>>; readonly caller: MemberCaller };

const placeOf = (one: { readonly name: string; readonly id: string }) => placeBy(one.name.toLowerCase(), one.id);

export function projectRoutes({ projects, tokens, scopes, trail, hubRetention }: ProjectDeps): Route[] {
  const find = ({ params, caller }: ProjectCall) => scopes.project(caller.organizationId, params["id"] ?? "");
  const findSource = (call: ProjectCall) => scopes.source(find(call), call.params["source"] ?? "");
  const target = ({ id, name }: ProjectView) => ({ kind: "project", id, name });
  const sourceTarget = ({ id, name }: SourceView) => ({ kind: "source", id, name });

  function view({ id, name, createdAtMs, retention }: ProjectView): Project {
    const counts = { servers: scopes.serverCount(id), sources: projects.sources(id).length };
    return { id, name, createdAt: timestamp(createdAtMs), ...counts, retention: { ...retention }, hubRetention };
  }

  return [
    route({
      method: "GET",
      path: "/api/projects",
      permission: "member",
      group: "Projects",
      summary: "Projects by name",
      query: pageQuery,
      answer: projectsPage,
      handle({ query, caller }) {
        const { items, cursor } = pageOf(byPlace(projects.of(caller.organizationId), placeOf), query, placeOf);
        return answer({ projects: items.map(view), cursor });
      },
    }),
    route({
      method: "POST",
      path: "/api/projects",
      permission: "member",
      group: "Projects",
      summary: "Make a project",
      body: projectRequest,
      answer: project,
      status: 201,
      async handle(call) {
        const { name } = await readJson(call.request, projectRequest);
        const made = await projects.create(call.caller.organizationId, name);
        await trail(call, "project.created", target(made));
        return answer(view(made), 201);
      },
    }),
    route({
      method: "GET",
      path: "/api/projects/:id",
      permission: "member",
      group: "Projects",
      summary: "One project",
      answer: project,
      handle: (call) => answer(view(find(call))),
    }),
    route({
      method: "PATCH",
      path: "/api/projects/:id",
      permission: "manage:servers",
      group: "Projects",
      summary: "Rename a project, or change how long its logs are kept",
      body: projectChange,
      answer: project,
      async handle(call) {
        const { name, retention } = await readJson(call.request, projectChange);
        const before = find(call);
        const { days = before.retention.days, bytes = before.retention.bytes } = retention ?? {};
        const change = { ...(name === undefined ? {} : { name }), retention: { days, bytes } };
        const after = await projects.change(before.id, change);
        if (name !== undefined) await trail(call, "project.renamed", target(after), { from: before.name });
        if (retention !== undefined) {
          const details = { days, bytes, from: before.retention };
          await trail(call, "project.retention-changed", target(after), details);
        }
        return answer(view(after));
      },
    }),
    route({
      method: "DELETE",
      path: "/api/projects/:id",
      permission: "manage:servers",
      group: "Projects",
      summary: "Delete a project without servers; its sources' and enrolment tokens are dead at once",
      status: 204,
      async handle(call) {
        const found = find(call);
        const count = scopes.serverCount(found.id);
        if (count > 0) {
          const many = count === 1 ? "1 server is" : `${count} servers are`;
          throw new HttpFault(409, `${many} still in project "${found.name}"; delete what is in it first`);
        }
        await projects.remove(found.id);
        tokens.forgetProject(found.id);
        await trail(call, "project.deleted", target(found));
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "GET",
      path: "/api/projects/:id/sources",
      permission: "member",
      group: "Projects",
      summary: "Sources of a project by name",
      query: pageQuery,
      answer: sourcesPage,
      handle(call) {
        const list = byPlace(projects.sources(find(call).id), placeOf);
        const { items, cursor } = pageOf(list, call.query, placeOf);
        return answer({ sources: items.map(sourceView), cursor });
      },
    }),
    route({
      method: "POST",
      path: "/api/projects/:id/sources",
      permission: "member",
      group: "Projects",
      summary: "Make a source; its token is shown this once",
      body: sourceRequest,
      answer: newSource,
      status: 201,
      async handle(call) {
        const { name } = await readJson(call.request, sourceRequest);
        const { id, name: projectName } = find(call);
        const { source, token } = await projects.createSource(id, name);
        await trail(call, "source.created", sourceTarget(source), { project: projectName });
        return answer({ ...sourceView(source), token } satisfies NewSource, 201);
      },
    }),
    route({
      method: "POST",
      path: "/api/projects/:id/sources/:source/token",
      permission: "manage:servers",
      group: "Projects",
      summary: "A new token for a source, shown this once; the old one is dead at once",
      answer: newSource,
      status: 201,
      async handle(call) {
        const { source, token } = await projects.rotateSource(findSource(call).id);
        await trail(call, "source.token-rotated", sourceTarget(source));
        return answer({ ...sourceView(source), token } satisfies NewSource, 201);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/projects/:id/sources/:source",
      permission: "manage:servers",
      group: "Projects",
      summary: "Delete a source: its token is dead at once, its log entries go with their age",
      status: 204,
      async handle(call) {
        const source = findSource(call);
        await projects.removeSource(source.id);
        await trail(call, "source.deleted", sourceTarget(source));
        return new Response(null, { status: 204 });
      },
    }),
  ];
}

function sourceView({ id, name, projectId, createdAtMs, lastUsedAtMs }: SourceView): Source {
  const lastUsedAt = lastUsedAtMs === null ? null : timestamp(lastUsedAtMs);
  return { id, name, projectId, createdAt: timestamp(createdAtMs), lastUsedAt };
}

function answer(value: unknown, status = 200): Response {
  return jsonText(JSON.stringify(value), status);
}
