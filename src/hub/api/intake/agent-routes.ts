/** What agents send: heartbeats, log entries, events. */
import { timestamp } from "#src/lib/clock.ts";
import { postedEvent } from "#src/protocol/event.ts";
import { type Heartbeat, heartbeat, heartbeatAnswer } from "#src/protocol/heartbeat.ts";
import { release, releaseColumns } from "#src/protocol/columns/release.ts";
import { logsAnswer } from "#src/protocol/log.ts";
import { check, z } from "#src/protocol/schema.ts";
import { type Admission, largeBytes } from "./admission.ts";
import { inflate, readBody, readDelivery } from "../body.ts";
import { partsOf, readEntries } from "./ndjson.ts";
import type { Appended, EntryBatch, Events, Logs, Servers } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import { type Route, route } from "../route.ts";

/** A heartbeat of hundreds of scripts and containers is still far from this. */
const maxHeartbeatBytes = 2 * 1024 * 1024;
/** Most events in one request. */
const maxEvents = 10_000;

const events = z.array(postedEvent).check(z.maxLength(maxEvents));
// `seq` of an intersection is lost by no member, but a loose one keeps numbers that JSON can't hold exactly
const safeSeq = (seq: number | undefined) => seq === undefined || Number.isSafeInteger(seq);

/** Bytes of a large delivery that are read and stored at a time. */
const partBytes = 2 * 1024 * 1024;

/** A heartbeat in JSON, whatever it took on the wire. */
const maxInflatedHeartbeatBytes = 8 * 1024 * 1024;

export type HeartbeatMetrics = {
  /** Takes what a heartbeat measured. */
  record(serverId: string, value: Heartbeat): void;
};

export type AgentDeps = {
  readonly servers: Pick<Servers, "beat">;
  readonly logs: Pick<Logs, "append">;
  readonly events: Pick<Events, "appendEvents">;
  readonly metrics: HeartbeatMetrics;
  readonly admission: Admission;
  readonly now: () => number;
  readonly heartbeatSeconds: number;
};

export function agentRoutes(deps: AgentDeps): Route[] {
  return [
    route({
      method: "POST",
      path: "/api/v1/agent/heartbeat",
      permission: "agent",
      group: "Agents",
      summary: "Report the state of a server",
      body: heartbeat,
      answer: heartbeatAnswer,
      async handle({ request, caller }) {
        const value = check(heartbeat, await readAgentJson(request), "the heartbeat");
        const { hostname, agent } = value;
        deps.servers.beat(caller.serverId, {
          version: agentVersion(request),
          heartbeat: JSON.stringify(value),
          hostname,
          startedAt: agent.startedAt,
        });
        deps.metrics.record(caller.serverId, value);
        return Response.json({ receivedAt: timestamp(deps.now()), heartbeatInterval: deps.heartbeatSeconds });
      },
    }),
    route({
      method: "POST",
      path: "/api/v1/agent/logs",
      permission: "agent",
      group: "Agents",
      summary: "Deliver log entries, one JSON object a line; answered once they are durable",
      bodyTypes: ["application/x-ndjson"],
      answer: logsAnswer,
      status: 202,
      handle: ({ request, caller }) =>
        deps.admission.admit(request, caller.serverId, async (room) => {
          const { plain, zstd } = await readDelivery(request, room);
          const from = { serverId: caller.serverId, batchId: batchName(request) };
          if (plain.length > largeBytes) {
            return Response.json(await appendInParts(deps.logs, plain, from), { status: 202 });
          }
          const batch = readEntries(plain, zstd);
          release(plain);
          return Response.json(await append(deps.logs, batch, from), { status: 202 });
        }),
    }),
    route({
      method: "POST",
      path: "/api/v1/agent/events",
      permission: "agent",
      group: "Agents",
      summary: "Deliver events: one JSON object, an array, or one object a line",
      body: postedEvent,
      bodyTypes: ["application/json", "application/x-ndjson"],
      answer: logsAnswer,
      status: 202,
      async handle({ request, caller }) {
        const value = await readAgentJson(request);
        const posted = check(events, Array.isArray(value) ? value : [value], "the event");
        if (!posted.every((event) => safeSeq(event.seq)))
          throw new HttpFault(400, "the event is not valid: seq: too large");
        const answer = await deps.events.appendEvents({
          serverId: caller.serverId,
          batchId: batchName(request),
          events: posted,
        });
        return Response.json(answer, { status: 202 });
      },
    }),
  ];
}

type From = { readonly serverId: string; readonly batchId: string | null };

async function append(logs: AgentDeps["logs"], batch: EntryBatch, from: From): Promise<Appended> {
  return batch.columns.count === 0 ? { accepted: 0, duplicates: 0 } : await logs.append({ ...batch, ...from });
}

/**
 * A large delivery, so that never more than a part of it is in memory as entries: read through once, because nothing is
 * stored of one that is wrong, then stored part by part. Should that break off, the agent sends it again, and what is
 * there already counts as repeated.
 */
async function appendInParts(logs: AgentDeps["logs"], plain: Uint8Array, from: From): Promise<Appended> {
  for (const part of partsOf(plain, partBytes)) releaseColumns(readEntries(part.plain, null, part.firstLine).columns);
  const answer = { accepted: 0, duplicates: 0 };
  for (const part of partsOf(plain, partBytes)) {
    const batchId = from.batchId === null ? null : `${from.batchId} from line ${part.firstLine}`;
    const { accepted, duplicates } = await append(logs, readEntries(part.plain, null), { ...from, batchId });
    answer.accepted += accepted;
    answer.duplicates += duplicates;
  }
  return answer;
}

/** One JSON value, or an array of several that came one a line. */
async function readAgentJson(request: Request): Promise<unknown> {
  const body = await readBody(request, maxHeartbeatBytes);
  const { plain } = inflate(body, request.headers.get("content-encoding"), maxInflatedHeartbeatBytes);
  const { values, done, error } = Bun.JSONL.parseChunk(plain);
  if (!done || error !== null || values.length === 0) throw new HttpFault(400, "the body is not JSON");
  return values.length === 1 ? values[0] : values;
}

/** `X-Batch-Id`, cut to a sane length; null when there is none. */
export function batchName(request: Request): string | null {
  return request.headers.get("x-batch-id")?.slice(0, 200) ?? null;
}

/** The version out of `orion-agent/1.2.3` or `ocore-agent/1.2.3`; null for other clients. */
export function agentVersion(request: Request): string | null {
  return /^(?:orion|ocore)-agent\/([\w.+-]{1,64})/.exec(request.headers.get("user-agent") ?? "")?.[1] ?? null;
}
