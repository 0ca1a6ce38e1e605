/** `orion server add`: from an address and a key to a server whose agent reports. */
import { type Server, registeredServer } from "#src/protocol/api.ts";
import { sshDetails } from "#src/protocol/ssh.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { CliFault, exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import type { HubClient } from "../../hub/client.ts";
import { listServers } from "../../hub/servers.ts";
import { renderCheck } from "../../hub/ssh-view.ts";
import { note, print, printJson } from "../../output.ts";
import { deployFlags, readDeployBody, startDeploy } from "./deploy-agent.ts";
import { approved, readSshBody, sshFlags } from "./ssh.ts";

export const add = command({
  args: {
    host: {
      type: "positional",
      required: true,
      valueHint: "[user@]host[:port]",
      description: "where its sshd listens",
    },
    name: {
      type: "string",
      valueHint: "hostname",
      description: "what the server is called (default: the host as given)",
    },
    project: { type: "string", valueHint: "project", description: "its project, if there are several: name or id" },
    "ssh-user": { type: "string", valueHint: "user", description: "signs in as this user (root)" },
    ...sshFlags,
    ...deployFlags,
    deploy: { type: "boolean", default: true, description: "register it and approve its key, and leave it as it is" },
  },
  about:
    "Registers a server, shows its host key to be approved, signs in, and puts the agent there. Without --key or a password the\nhub signs in with its own key: append what `orion server ssh key` prints to authorized_keys there. It can be given again\nuntil it has worked.",
  examples: [
    "orion server add web-1.example.com --name web-1 --key ~/.ssh/id_ed25519",
    "orion server add 192.0.2.7 --name web-1 --ssh-user deploy --password-stdin --sudo with-password <password.txt",
  ],
  async run({ args, session }) {
    const address = args.host.includes("@") ? args.host : `${args["ssh-user"] ?? "root"}@${args.host}`;
    const ssh = await readSshBody(address, args);
    const deployment = readDeployBody(args);
    const hostname = args.name ?? (ssh as { readonly host: string }).host;
    const hub = connectHub(session);
    const id = await register(hub, hostname, args.project, ssh);
    const seen = await approved(session, hub, id, undefined);
    if (seen.status !== "ok" || !args.deploy) {
      if (session.json) await printJson({ id, hostname, check: seen });
      else await print(renderCheck(seen, painter(wantsColours(session))));
      if (seen.status === "unapproved") await note(`Then: orion server deploy-agent ${hostname}`);
      return seen.status === "ok" ? exitCodes.done : exitCodes.failed;
    }
    return await startDeploy(session, hub, id, deployment, args.wait);
  },
});

/** A new server, or one that was added before and has no agent yet; registering one anew would end its agent's token. */
async function register(hub: HubClient, hostname: string, project: string | undefined, ssh: object): Promise<string> {
  const known = (await listServers(hub, project)).find((one: Server) => one.hostname === hostname);
  if (known === undefined) {
    const body = { hostname, ssh, ...(project === undefined ? {} : { project }) };
    return (await hub.ask({ method: "POST", path: "/api/servers", body }, registeredServer)).id;
  }
  if (known.agent.lastSeen !== null) {
    throw new CliFault(
      exitCodes.failed,
      "conflict",
      `there is a server ${hostname} already, whose agent has reported`,
      `Say how it is reached with orion server ssh set ${hostname}, then orion server deploy-agent ${hostname}; or give --name`,
    );
  }
  await hub.ask({ method: "PUT", path: `/api/servers/${known.id}/ssh`, body: ssh }, sshDetails);
  return known.id;
}
