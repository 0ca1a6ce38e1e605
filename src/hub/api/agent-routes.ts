/** What agents send: heartbeats, log entries, events. */
import { timestamp } from "#src/lib/clock.ts";
import { postedEvent } from "#src/protocol/event.ts";
import { heartbeat, heartbeatAnswer } from "#src/protocol/heartbeat.ts";
import { logsAnswer } from "#src/protocol/log.ts";
import { check, z } from "#src/protocol/schema.ts";
import { createAdmission } from "./admission.ts";
import { inflate, readBody } from "./body.ts";
import { readEntries } from "./ndjson.ts";
import type { Events, Logs, Servers } from "./ports.ts";
import { HttpFault } from "./problem.ts";
import { type Route, route } from "./route.ts";

/** A heartbeat of hundreds of scripts and containers is still far from this. */
const maxHeartbeatBytes = 2 * 1024 * 1024;
/** Most events in one request. */
const maxEvents = 10_000;

const events = z.array(postedEvent).check(z.maxLength(maxEvents));
// `seq` of an intersection is lost by no member, but a loose one keeps numbers that JSON can't hold exactly
const safeSeq = (seq: number | undefined) => seq === undefined || Number.isSafeInteger(seq);

export type AgentDeps = {
  readonly servers: Servers;
  readonly logs: Logs;
  readonly events: Events;
  readonly now: () => number;
  readonly heartbeatSeconds: number;
};

export function agentRoutes(deps: AgentDeps): Route[] {
  const admission = createAdmission(deps.logs.waiting);
  return [
    route({
      method: "POST",
      path: "/api/v1/agent/heartbeat",
      permission: "agent",
      summary: "Report the state of a server",
      body: heartbeat,
      answer: heartbeatAnswer,
      async handle({ request, serverId }) {
        const value = check(heartbeat, await readAgentJson(request, maxHeartbeatBytes), "the heartbeat");
        deps.servers.beat(serverId, { version: agentVersion(request), heartbeat: JSON.stringify(value) });
        const answer = { receivedAt: timestamp(deps.now()), heartbeatInterval: deps.heartbeatSeconds };
        return Response.json(answer);
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/agent/logs",
      permission: "agent",
      summary: "Deliver log entries, one JSON object a line; answered once they are durable",
      answer: logsAnswer,
      handle: ({ request, serverId }) =>
        admission.admit(request, async () => {
          const body = await readBody(request);
          const { plain, zstd } = inflate(body, request.headers.get("content-encoding"));
          const batch = readEntries(plain, zstd);
          const answer =
            batch.entries.length === 0
              ? { accepted: 0, duplicates: 0 }
              : await deps.logs.append({ ...batch, serverId, batchId: batchName(request) });
          return Response.json(answer, { status: 202 });
        }),
    }),
    route({
      method: "POST",
      path: "/api/v1/agent/events",
      permission: "agent",
      summary: "Deliver events: one JSON object, an array, or one object a line",
      body: postedEvent,
      answer: logsAnswer,
      async handle({ request, serverId }) {
        const value = await readAgentJson(request, maxHeartbeatBytes);
        const posted = check(events, Array.isArray(value) ? value : [value], "the event");
        if (!posted.every((event) => safeSeq(event.seq)))
          throw new HttpFault(400, "the event is not valid: seq: too large");
        const answer = await deps.events.appendEvents({ serverId, batchId: batchName(request), events: posted });
        return Response.json(answer, { status: 202 });
      },
    }),
  ];
}

/** One JSON value, or an array of several that came one a line. */
async function readAgentJson(request: Request, limit: number): Promise<unknown> {
  const { plain } = inflate(await readBody(request, limit), request.headers.get("content-encoding"));
  const { values, done, error } = Bun.JSONL.parseChunk(plain);
  if (!done || error !== null || values.length === 0) throw new HttpFault(400, "the body is not JSON");
  return values.length === 1 ? values[0] : values;
}

/** `X-Batch-Id`, cut to a sane length; null when there is none. */
function batchName(request: Request): string | null {
  return request.headers.get("x-batch-id")?.slice(0, 200) ?? null;
}

/** The version out of `orion-agent/1.2.3` or `ocore-agent/1.2.3`; null for other clients. */
export function agentVersion(request: Request): string | null {
  return /^(?:orion|ocore)-agent\/([\w.+-]{1,64})/.exec(request.headers.get("user-agent") ?? "")?.[1] ?? null;
}

/** The server that a request signs in as. Throws HttpFault 401 when it doesn't. */
export function signIn(request: Request, servers: Servers): string {
  const id = request.headers.get("x-server-id") ?? "";
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  if (servers.authenticate(id, token)) return id;
  throw new HttpFault(401, "the agent token is wrong, or it was rotated or revoked", {
    "www-authenticate": 'Bearer realm="orion"',
  });
}
