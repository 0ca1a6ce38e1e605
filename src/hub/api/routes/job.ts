/** Background work: how it goes, and ending it. */
import { type Job, job as jobSchema, jobsPage } from "#src/protocol/job.ts";
import type { Trail } from "../audit.ts";
import type { MemberCaller } from "../caller.ts";
import { HttpFault } from "../problem.ts";
import type { Jobs } from "../provision-ports.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";
import { type Streams, maxStreams } from "../sse.ts";
import { createJobFeed, isOver, overId } from "./job-feed.ts";
import type { StillGood } from "./still-good.ts";

export type JobDeps = {
  readonly jobs: Jobs;
  readonly scopes: Pick<Scopes, "server">;
  readonly streams: Streams;
  readonly stillGood: StillGood;
  readonly trail: Trail;
};

const group = "Jobs";

export function jobRoutes({ jobs, scopes, streams, stillGood, trail }: JobDeps): Route[] {
  /** Throws HttpFault 404, also for a job on another organization's server. */
  async function find(caller: MemberCaller, id: string): Promise<Job> {
    const found = await jobs.get(id);
    if (found === undefined) throw new HttpFault(404, "there is no such job");
    scopes.server(caller.organizationId, found.serverId);
    return found;
  }

  return [
    route({
      method: "GET",
      path: "/api/jobs/:id",
      permission: "manage:servers",
      group,
      summary: "A job with its steps and what they said; with `Accept: text/event-stream` live, until it is over",
      answer: jobSchema,
      async handle({ params, caller, request, holdOpen }) {
        const found = await find(caller, params["id"] ?? "");
        if (!(request.headers.get("accept") ?? "").includes("text/event-stream")) {
          return jsonText(JSON.stringify(found));
        }
        // the one answer after which an EventSource does not come back (html.spec.whatwg.org, "Server-sent events")
        if (isOver(found) && request.headers.get("last-event-id") === overId)
          return new Response(null, { status: 204 });
        if (streams.count() >= maxStreams)
          throw new HttpFault(503, "too many live streams are open", { "retry-after": "5" });
        holdOpen();
        return streams.open(createJobFeed(jobs, found), () => stillGood({ request, caller }));
      },
    }),
    route({
      method: "DELETE",
      path: "/api/jobs/:id",
      permission: "manage:servers",
      group,
      summary: "Cancel a job; what it has done on the host is undone before it is over",
      answer: jobSchema,
      status: 202,
      async handle(call) {
        const found = await find(call.caller, call.params["id"] ?? "");
        const cancelled = await jobs.cancel(found.id);
        if (cancelled === undefined) throw new HttpFault(409, `the job is over already: it is ${found.state}`);
        await trail(
          call,
          "job.cancelled",
          { kind: "server", id: found.serverId, name: found.hostname },
          { job: found.id },
        );
        return jsonText(JSON.stringify(cancelled), 202);
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/jobs",
      permission: "manage:servers",
      group,
      summary: "The last jobs of a server, newest first",
      answer: jobsPage,
      async handle({ params, caller }) {
        const { id } = scopes.server(caller.organizationId, params["id"] ?? "");
        return jsonText(JSON.stringify({ jobs: await jobs.of(id), cursor: null }));
      },
    }),
  ];
}
