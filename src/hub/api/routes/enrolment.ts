/** Tokens that register hosts unattended, and the registering with them. */
import { timestamp } from "#src/lib/clock.ts";
import { registeredServer } from "#src/protocol/api.ts";
import {
  type EnrolmentToken,
  enrolmentRequest,
  enrolmentTokensList,
  newEnrolmentToken,
  registration,
} from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";
import type { Trail } from "../audit.ts";
import { readJson } from "../body.ts";
import { byPlace, newestFirst, pageOf, pageQuery, placeBy } from "../paging.ts";
import type { Servers, TokenView, Tokens } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { register } from "./registering.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";

export type EnrolmentDeps = {
  readonly tokens: Tokens;
  readonly servers: Servers;
  readonly scopes: Pick<Scopes, "project">;
  readonly trail: Trail;
  readonly now: () => number;
};

const hourMs = 3_600_000;

/** The token says which project. */
const enrolment = z.omit(registration, { project: true });

const placeOf = (one: TokenView) => placeBy(newestFirst(one.createdAtMs), one.id);

export function enrolmentRoutes({ tokens, servers, scopes, trail, now }: EnrolmentDeps): Route[] {
  /** Tokens lie in images and cloud-init files: one that leaks must not take over a server that is alive. */
  function refuseUsurper(projectId: string, host: z.output<typeof enrolment>): void {
    if (host.replace === true) {
      throw new HttpFault(403, "an enrolment token can't take the place of a host that reports; sign in to replace it");
    }
    // two machine ids are compared by the fleet
    if (host.machine !== undefined) return;
    const taken =
      host.renamedFrom === undefined
        ? servers.all().find((one) => one.projectId === projectId && one.hostname === host.hostname)
        : servers.get(host.renamedFrom);
    if (taken === undefined || servers.status(taken).status !== "connected") return;
    throw new HttpFault(
      409,
      "a host reports under this name right now; send `machine` to show that it is the same one, or sign in to replace it",
    );
  }

  return [
    route({
      method: "GET",
      path: "/api/projects/:id/enrolment-tokens",
      permission: "manage:servers",
      group: "Projects",
      summary: "Enrolment tokens of a project, newest first, used up and expired ones too",
      query: pageQuery,
      answer: enrolmentTokensList,
      handle({ params, query, caller }) {
        const project = scopes.project(caller.organizationId, params["id"] ?? "");
        const { items, cursor } = pageOf(byPlace(tokens.enrolments(project.id), placeOf), query, placeOf);
        return jsonText(JSON.stringify({ tokens: items.map(view), cursor }));
      },
    }),
    route({
      method: "POST",
      path: "/api/projects/:id/enrolment-tokens",
      permission: "manage:servers",
      group: "Projects",
      summary: "Make a token that registers hosts unattended; it is shown this once",
      body: enrolmentRequest,
      answer: newEnrolmentToken,
      status: 201,
      async handle(call) {
        const { name, maxUses, expiresInHours } = await readJson(call.request, enrolmentRequest);
        const { organizationId } = call.caller;
        const project = scopes.project(organizationId, call.params["id"] ?? "");
        const made = await tokens.createEnrolment({
          organizationId,
          projectId: project.id,
          name,
          createdBy: call.caller.kind === "person" ? call.caller.email : call.caller.name,
          expiresAtMs: now() + expiresInHours * hourMs,
          maxUses,
        });
        const details = { project: project.name, maxUses, expiresInHours };
        await trail(call, "enrolment.created", { kind: "enrolment", id: made.view.id, name }, details);
        return jsonText(JSON.stringify({ ...view(made.view), token: made.token }), 201);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/projects/:id/enrolment-tokens/:token",
      permission: "manage:servers",
      group: "Projects",
      summary: "Revoke an enrolment token; servers that it registered stay",
      status: 204,
      async handle(call) {
        const { organizationId } = call.caller;
        const project = scopes.project(organizationId, call.params["id"] ?? "");
        const id = call.params["token"] ?? "";
        const known = tokens.enrolments(project.id).some((one) => one.id === id);
        const revoked = known ? await tokens.revoke(organizationId, id) : undefined;
        if (revoked === undefined) throw new HttpFault(404, "there is no such enrolment token");
        await trail(call, "enrolment.revoked", { kind: "enrolment", id, name: revoked.name });
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "POST",
      path: "/api/enrol",
      permission: "enrolment",
      group: "Servers",
      summary: "Register this host with an enrolment token; the answer has its agent token, shown this once",
      body: enrolment,
      answer: registeredServer,
      status: 201,
      async handle(call) {
        const { caller } = call;
        const host = await readJson(call.request, enrolment);
        refuseUsurper(caller.projectId, host);
        if (!(await tokens.spend(caller.id))) {
          throw new HttpFault(403, `the enrolment token "${caller.name}" is used up; make another one`);
        }
        try {
          const project = scopes.project(caller.organizationId, caller.projectId);
          return await register({ servers, trail }, call, project, host);
        } catch (error) {
          await tokens.refund(caller.id);
          throw error;
        }
      },
    }),
  ];
}

function view({ id, name, hint, projectId, ...token }: TokenView): EnrolmentToken {
  return {
    id,
    name,
    hint,
    projectId: projectId ?? "",
    createdAt: timestamp(token.createdAtMs),
    expiresAt: timestamp(token.expiresAtMs ?? 0),
    maxUses: token.maxUses ?? 0,
    uses: token.uses,
    lastUsedAt: token.lastUsedAtMs === null ? null : timestamp(token.lastUsedAtMs),
  };
}
