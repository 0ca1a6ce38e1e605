/** Putting an agent on a server and taking it away: both are jobs. */
import { deployRequest, job } from "#src/protocol/job.ts";
import { actorOf, type Trail } from "../audit.ts";
import { readOptionalJson } from "../body.ts";
import type { MemberCaller } from "../caller.ts";
import type { ServerView } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { Jobs, SshAccess } from "../provision-ports.ts";
import { type Call, type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";

export type DeployDeps = {
  readonly jobs: Pick<Jobs, "start">;
  readonly access: Pick<SshAccess, "has">;
  readonly scopes: Pick<Scopes, "server">;
  readonly trail: Trail;
};

type ServerCall = Call<unknown, "manage:servers">;

const group = "Jobs";

export function deployRoutes({ jobs, access, scopes, trail }: DeployDeps): Route[] {
  function find({ params, caller }: { params: ServerCall["params"]; caller: MemberCaller }): ServerView {
    const found = scopes.server(caller.organizationId, params["id"] ?? "");
    if (access.has(found.id)) return found;
    throw new HttpFault(
      409,
      "the server has no SSH details; give them first: orion server ssh set, or PUT /api/servers/:id/ssh",
    );
  }
  const target = ({ id, hostname }: ServerView) => ({ kind: "server", id, name: hostname });
  const by = (caller: MemberCaller) => actorOf(caller).name;
  const started = (made: { readonly id: string }) => {
    const response = jsonText(JSON.stringify(made), 202);
    response.headers.set("location", `/api/jobs/${made.id}`);
    return response;
  };

  return [
    route({
      method: "POST",
      path: "/api/servers/:id/agent/deploy",
      permission: "manage:servers",
      group,
      summary: "Put this hub's agent on the server over SSH, or bring the one there to this version: a job",
      body: deployRequest,
      answer: job,
      status: 202,
      async handle(call) {
        const found = find(call);
        const request = await readOptionalJson(call.request, deployRequest);
        const { id: serverId, hostname } = found;
        const made = await jobs.start({ kind: "deploy", serverId, hostname, createdBy: by(call.caller), request });
        await trail(call, "server.deploy-started", target(found), { job: made.id, ...request });
        return started(made);
      },
    }),
    route({
      method: "POST",
      path: "/api/servers/:id/agent/uninstall",
      permission: "manage:servers",
      group,
      summary: "Take the agent off the server over SSH and revoke its token: a job. Config and data stay",
      answer: job,
      status: 202,
      async handle(call) {
        const found = find(call);
        const { id: serverId, hostname } = found;
        const order = { kind: "uninstall", serverId, hostname, createdBy: by(call.caller), request: {} } as const;
        const made = await jobs.start(order);
        await trail(call, "server.uninstall-started", target(found), { job: made.id });
        return started(made);
      },
    }),
  ];
}
