/** How a server is reached over SSH: said, tried out, forgotten. Secrets are taken and never given. */
import { sshCheck, sshCheckRequest, sshDetails, sshPublicKey, sshRequest } from "#src/protocol/ssh.ts";
import type { Trail } from "../audit.ts";
import { readJson, readOptionalJson } from "../body.ts";
import type { MemberCaller } from "../caller.ts";
import type { ServerView } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { CheckSsh, HubKeys, SshAccess } from "../provision-ports.ts";
import { type Route, route } from "../route.ts";
import type { Scopes } from "./scope.ts";
import { jsonText } from "./server-view.ts";

export type SshDeps = {
  readonly access: SshAccess;
  readonly keys: HubKeys;
  readonly check: CheckSsh;
  readonly scopes: Pick<Scopes, "server">;
  readonly trail: Trail;
};

type ServerCall = { readonly params: Readonly<Record<string, string>>; readonly caller: MemberCaller };

const group = "SSH";
const none = () => new HttpFault(404, "the server has no SSH details; give them with PUT");

export function sshRoutes({ access, keys, check, scopes, trail }: SshDeps): Route[] {
  const find = ({ params, caller }: ServerCall): ServerView => scopes.server(caller.organizationId, params["id"] ?? "");
  const target = ({ id, hostname }: ServerView) => ({ kind: "server", id, name: hostname });

  return [
    route({
      method: "GET",
      path: "/api/ssh/public-key",
      permission: "manage:servers",
      group,
      summary: "The organization's own key, to paste into authorized_keys on the hosts that it may reach",
      answer: sshPublicKey,
      async handle({ caller }) {
        return jsonText(JSON.stringify({ publicKey: await keys.publicKey(caller.organizationId) }));
      },
    }),
    route({
      method: "GET",
      path: "/api/servers/:id/ssh",
      permission: "manage:servers",
      group,
      summary: "How the server is reached over SSH, without secrets",
      answer: sshDetails,
      async handle(call) {
        const details = await access.details(find(call).id);
        if (details === null) throw none();
        return jsonText(JSON.stringify(details));
      },
    }),
    route({
      method: "PUT",
      path: "/api/servers/:id/ssh",
      permission: "manage:servers",
      group,
      summary: "Say how the server is reached over SSH; secrets that are left out stay as they are",
      body: sshRequest,
      answer: sshDetails,
      async handle(call) {
        const found = find(call);
        const details = await access.put(found.id, await readJson(call.request, sshRequest));
        const { host, port, user, auth, hostKey } = details;
        await trail(call, "server.ssh-changed", target(found), { host, port, user, auth, hostKey });
        return jsonText(JSON.stringify(details));
      },
    }),
    route({
      method: "DELETE",
      path: "/api/servers/:id/ssh",
      permission: "manage:servers",
      group,
      summary: "Forget how the server is reached over SSH, its secrets too",
      status: 204,
      async handle(call) {
        const found = find(call);
        if (!(await access.remove(found.id))) throw none();
        await trail(call, "server.ssh-removed", target(found));
        return new Response(null, { status: 204 });
      },
    }),
    route({
      method: "POST",
      path: "/api/servers/:id/ssh/check",
      permission: "manage:servers",
      group,
      summary: "Connect: which host keys are shown, and are they approved; if so, sign in and look at the host",
      body: sshCheckRequest,
      answer: sshCheck,
      async handle(call) {
        const found = find(call);
        const { approve = {} } = await readOptionalJson(call.request, sshCheckRequest);
        const checked = await check(found.id, approve);
        if (checked === null) throw none();
        for (const hostKey of checked.approved) {
          await trail(call, "server.host-key-approved", target(found), { hostKey });
        }
        return jsonText(JSON.stringify(checked.answer));
      },
    }),
  ];
}
