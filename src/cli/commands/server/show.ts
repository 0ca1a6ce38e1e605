/** `orion server show` and `orion server agent-status`. */
import { agentStatus } from "#src/protocol/api.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { listProjects } from "../../hub/projects.ts";
import { findServer } from "../../hub/servers.ts";
import { lastSeen, overSsh, projectName, renderServer, statusWord } from "../../hub/servers-view.ts";
import { print, printJson } from "../../output.ts";

/** The word that every command of one server takes. */
export const serverWord = {
  type: "positional",
  required: true,
  valueHint: "server",
  description: "its hostname, its id, or how its id begins",
} as const;

export const show = command({
  args: { id: serverWord },
  async run({ args, session }) {
    const hub = connectHub(session);
    const server = await findServer(hub, args.id);
    if (session.json) await printJson(server);
    else {
      const project = projectName(await listProjects(hub), server.projectId);
      await print(renderServer(server, project, painter(wantsColours(session)), Date.now()));
    }
    return exitCodes.done;
  },
});

export const status = command({
  args: { id: serverWord },
  about:
    "Connected means that the agent reported within the last two minutes; else the hub watches over SSH, if it can.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    const answer = await hub.ask({ path: `/api/servers/${id}/agent-status` }, agentStatus);
    if (session.json) await printJson(answer);
    else {
      const word = statusWord(answer, painter(wantsColours(session)));
      const version = answer.version === null ? "" : `, version ${answer.version}`;
      const ssh = answer.ssh === undefined ? "" : `; over SSH ${overSsh(answer.ssh, Date.now())}`;
      await print(`${hostname}: ${word}${version}, ${lastSeen(answer, Date.now())}${ssh}\n`);
    }
    return exitCodes.done;
  },
});
