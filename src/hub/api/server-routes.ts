/** Servers for people: registering, tokens, latest states. */
import { agentStatus, registeredServer, server, serversPage } from "#src/protocol/api.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { z } from "#src/protocol/schema.ts";
import { readJson } from "./body.ts";
import type { ServerView, Servers } from "./ports.ts";
import { HttpFault } from "./problem.ts";
import { type Call, type Route, route } from "./route.ts";
import { jsonText, serverJson } from "./server-view.ts";

const registration = z.object({
  hostname: z
    .string()
    .check(z.regex(/^[^\s\u0000-\u001f\u007f]{1,253}$/u, "must be a host name without spaces, at most 253")),
});

const page = z.object({
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(10_000), z.multipleOf(1)), 1000),
  cursor: z.optional(z.string().check(z.maxLength(400))),
});

export function serverRoutes(servers: Servers): Route[] {
  function find({ params }: Call<unknown>): ServerView {
    const found = servers.get(params["id"] ?? "");
    if (found === undefined) throw new HttpFault(404, "there is no such server");
    return found;
  }

  function latest(call: Call<unknown>): Heartbeat | null {
    const { heartbeat } = find(call);
    return heartbeat === null ? null : (JSON.parse(heartbeat) as Heartbeat);
  }

  return [
    route({
      method: "GET",
      path: "/api/servers",
      permission: "view:servers",
      summary: "Servers by hostname, with their latest heartbeat",
      query: page,
      answer: serversPage,
      handle({ query }) {
        // the cursor is the last hostname of the page before
        const after = query.cursor;
        const rest = after === undefined ? servers.all() : servers.all().filter((one) => one.hostname > after);
        const shown = rest.slice(0, query.limit);
        const cursor = rest.length > shown.length ? (shown.at(-1)?.hostname ?? null) : null;
        const list = shown.map((one) => serverJson(servers, one)).join(",");
        return jsonText(`{"servers":[${list}],"cursor":${JSON.stringify(cursor)}}`);
      },
    }),
    route({
      method: "POST",
      path: "/api/servers",
      permission: "manage:servers",
      summary: "Register a server, or get a new token for one that is; the token is shown this once",
      body: registration,
      answer: registeredServer,
      async handle({ request }) {
        const { hostname } = await readJson(request, registration);
        const { server, token, stored } = servers.register(hostname);
        await stored;
        return jsonText(serverJson(servers, server, { token }), 201);
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id",
      permission: "view:servers",
      summary: "One server with its latest heartbeat",
      answer: server,
      handle: (call) => jsonText(serverJson(servers, find(call))),
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/agent-status",
      permission: "view:servers",
      summary: "Whether the server's agent reports",
      answer: agentStatus,
      handle: (call) => jsonText(JSON.stringify(servers.status(find(call)))),
    }),
    route({
      method: "POST",
      path: "/api/servers/:id/agent-token",
      permission: "manage:servers",
      summary: "A new agent token, shown this once; the old one is dead at once",
      async handle(call) {
        const rotated = servers.rotate(find(call).id);
        if (rotated === undefined) throw new HttpFault(404, "there is no such server");
        await rotated.stored;
        return jsonText(JSON.stringify({ token: rotated.token }), 201);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/servers/:id/agent-token",
      permission: "manage:servers",
      summary: "Revoke the agent token",
      async handle(call) {
        await servers.revoke(find(call).id);
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/scripts",
      permission: "view:servers",
      summary: "Scripts as last reported",
      handle: (call) => jsonText(JSON.stringify({ scripts: latest(call)?.scripts ?? [] })),
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/containers",
      permission: "view:servers",
      summary: "Containers as last reported",
      handle: (call) => jsonText(JSON.stringify({ containers: latest(call)?.containers ?? [] })),
    }),
  ];
}
