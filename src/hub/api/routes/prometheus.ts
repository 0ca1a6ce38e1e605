/** `GET /metrics`: the latest figures for Prometheus, which comes with an API key as its bearer token. */
import { z } from "#src/protocol/schema.ts";
import type { ServerView, Servers } from "../ports.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";

export type PrometheusDeps = {
  readonly scopes: Pick<Scopes, "servers" | "project" | "visible">;
  readonly servers: Pick<Servers, "status" | "polled">;
  readonly projectName: (projectId: string) => string;
  /** The text of all this. `own`: with the hub's own figures. */
  readonly expose: (
    servers: readonly {
      readonly hostname: string;
      readonly project: string;
      readonly connected: boolean;
      readonly lastSeenMs: number | null;
      readonly version: string | null;
      readonly heartbeat: string | null;
    }[],
    own: boolean,
  ) => Promise<string>;
};

const query = z.object({
  /** id or name: only its servers */
  project: z.optional(z.string().check(z.maxLength(100))),
});

/** The version of the format stands in its type. */
const type = "text/plain; version=0.0.4; charset=utf-8";

export function prometheusRoutes({ scopes, servers, projectName, expose }: PrometheusDeps): Route[] {
  return [
    route({
      method: "GET",
      path: "/metrics",
      permission: "view:servers",
      group: "Metrics",
      summary: "The latest figures of all servers, scripts and containers for Prometheus, and the hub's own",
      query,
      answerType: "text/plain",
      async handle({ query: { project }, caller }) {
        const { organizationId } = caller;
        const only = project === undefined ? undefined : scopes.project(organizationId, project);
        const latest = scopes.servers(organizationId, only).map((one: ServerView) => {
          const { status, version, lastSeen } = servers.status(one);
          return {
            hostname: one.hostname,
            project: projectName(one.projectId),
            connected: status === "connected",
            lastSeenMs: lastSeen === null ? null : Date.parse(lastSeen),
            version,
            heartbeat: one.heartbeat,
            polled: servers.polled(one),
          };
        });
        // of a hub that several organizations share, its own figures are nobody's
        const own = only === undefined && scopes.visible(organizationId)() === null;
        const text = await expose(latest, own);
        return new Response(text, { headers: { "content-type": type, "cache-control": "no-store" } });
      },
    }),
  ];
}
