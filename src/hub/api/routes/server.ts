/** Servers for people: registering, tokens, latest states. */
import {
  agentStatus,
  newAgentToken,
  registeredServer,
  server,
  serverContainers,
  serverScripts,
  serversPage,
} from "#src/protocol/api.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { registration } from "#src/protocol/project.ts";
import { sshRequest } from "#src/protocol/ssh.ts";
import { z } from "#src/protocol/schema.ts";
import type { Trail } from "../audit.ts";
import { readJson } from "../body.ts";
import type { MemberCaller } from "../caller.ts";
import { pageOf, paging, placeBy } from "../paging.ts";
import type { ServerView, Servers } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { SshAccess } from "../provision-ports.ts";
import { register } from "./registering.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText, serverJson } from "./server-view.ts";

const page = z.object({
  /** id or name */
  project: z.optional(z.string().check(z.maxLength(100))),
  ...paging,
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(10_000), z.multipleOf(1)), 1000),
});

// the order of `Servers.all`
const placeOf = (one: ServerView) => placeBy(one.hostname, one.projectId);

/** A server, and how it is reached over SSH where that is known. */
const newServer = z.extend(registration, { ssh: z.optional(sshRequest) });

export type ServerDeps = {
  readonly servers: Servers;
  readonly ssh: Pick<SshAccess, "examine" | "put" | "has">;
  readonly scopes: Pick<Scopes, "project" | "server" | "servers" | "destination">;
  readonly trail: Trail;
};

type ServerCall = { readonly params: Readonly<Record<string, string>>; readonly caller: MemberCaller };

export function serverRoutes({ servers, ssh: access, scopes, trail }: ServerDeps): Route[] {
  function find({ params, caller }: ServerCall): ServerView {
    return scopes.server(caller.organizationId, params["id"] ?? "");
  }

  function latest(call: ServerCall): Heartbeat | null {
    const { heartbeat } = find(call);
    return heartbeat === null ? null : (JSON.parse(heartbeat) as Heartbeat);
  }

  const target = (one: ServerView) => ({ kind: "server", id: one.id, name: one.hostname });

  return [
    route({
      method: "GET",
      path: "/api/servers",
      permission: "view:servers",
      group: "Servers",
      summary: "Servers by hostname, with their latest heartbeat",
      query: page,
      answer: serversPage,
      handle({ query, caller }) {
        const { organizationId } = caller;
        const only = query.project === undefined ? undefined : scopes.project(organizationId, query.project);
        const { items, cursor } = pageOf(scopes.servers(organizationId, only), query, placeOf);
        const list = items.map((one) => serverJson(servers, one)).join(",");
        return jsonText(`{"servers":[${list}],"cursor":${JSON.stringify(cursor)}}`);
      },
    }),
    route({
      method: "POST",
      path: "/api/servers",
      permission: "manage:servers",
      group: "Servers",
      summary: "Register a server, or get a new token for one that is; the token is shown this once",
      body: newServer,
      answer: registeredServer,
      status: 201,
      async handle(call) {
        const { ssh, ...host } = await readJson(call.request, newServer);
        const project = scopes.destination(call.caller.organizationId, host.project);
        if (ssh === undefined) return await register({ servers, trail }, call, project, host);
        // before anything is done: a token that is rotated by a request that fails would be lost to everybody
        const known = scopes
          .servers(call.caller.organizationId, project)
          .find(({ id, hostname }) =>
            host.renamedFrom === undefined ? hostname === host.hostname : id === host.renamedFrom,
          );
        await access.examine(ssh, known?.id);
        return await register({ servers, trail }, call, project, host, (id) => access.put(id, ssh));
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id",
      permission: "view:servers",
      group: "Servers",
      summary: "One server with its latest heartbeat",
      answer: server,
      handle(call) {
        const found = find(call);
        return jsonText(serverJson(servers, found, { hasSsh: access.has(found.id) }));
      },
    }),
    route({
      method: "DELETE",
      path: "/api/servers/:id",
      permission: "manage:servers",
      group: "Servers",
      summary: "Forget a server: its token is dead at once, its log entries go with their age",
      status: 204,
      async handle(call) {
        const found = find(call);
        if (!(await servers.remove(found.id))) throw gone();
        await trail(call, "server.deleted", target(found));
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/agent-status",
      permission: "view:servers",
      group: "Servers",
      summary: "Whether the server's agent reports, and what its figures come from",
      answer: agentStatus,
      handle: (call) => jsonText(JSON.stringify(servers.status(find(call)))),
    }),
    route({
      method: "POST",
      path: "/api/servers/:id/agent-token",
      permission: "manage:servers",
      group: "Servers",
      summary: "A new agent token, shown this once; the old one is dead at once",
      answer: newAgentToken,
      status: 201,
      async handle(call) {
        const rotated = await servers.rotate(find(call).id);
        if (rotated === undefined) throw gone();
        await trail(call, "server.token-rotated", target(rotated.server));
        return jsonText(JSON.stringify({ token: rotated.token }), 201);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/servers/:id/agent-token",
      permission: "manage:servers",
      group: "Servers",
      summary: "Revoke the agent token; version and last report are cleared",
      status: 204,
      async handle(call) {
        const found = find(call);
        if (!(await servers.revoke(found.id))) throw gone();
        await trail(call, "server.token-revoked", target(found));
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/scripts",
      permission: "view:servers",
      group: "Servers",
      summary: "Scripts as last reported",
      answer: serverScripts,
      handle: (call) => jsonText(JSON.stringify({ scripts: latest(call)?.scripts ?? [] })),
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/containers",
      permission: "view:servers",
      group: "Servers",
      summary: "Containers as last reported, or as last read over SSH while the agent is silent",
      answer: serverContainers,
      handle(call) {
        const polled = servers.polled(find(call));
        const newest = polled === null ? latest(call) : (JSON.parse(polled) as PolledReport);
        return jsonText(JSON.stringify({ containers: newest?.containers ?? [] }));
      },
    }),
  ];
}

/** Removed by somebody else between the look and the act. */
function gone(): HttpFault {
  return new HttpFault(404, "there is no such server");
}
