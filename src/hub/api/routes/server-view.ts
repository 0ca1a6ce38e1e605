/** Servers as JSON. The heartbeat is JSON already and goes in as it is, so that a list of thousands costs little. */
import { timestamp } from "#src/lib/clock.ts";
import type { ServerView, Servers } from "../ports.ts";

/** A server as protocol/api.ts describes it, with `extra` members. */
export function serverJson(
  servers: Pick<Servers, "status" | "notices" | "polled">,
  server: ServerView,
  extra: Readonly<Record<string, unknown>> = {},
): string {
  const head = JSON.stringify({
    id: server.id,
    hostname: server.hostname,
    projectId: server.projectId,
    createdAt: timestamp(server.createdAtMs),
    agent: servers.status(server),
    tokenLastUsedAt: server.tokenUsedAtMs === null ? null : timestamp(server.tokenUsedAtMs),
    notices: servers.notices(server),
    ...extra,
  });
  const polled = servers.polled(server);
  const read = polled === null ? "" : `,"polled":${polled}`;
  return `${head.slice(0, -1)},"latest":${server.heartbeat ?? "null"}${read}}`;
}

/** An answer whose body is JSON text already. */
export function jsonText(text: string, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "application/json", "cache-control": "no-store" } });
}
