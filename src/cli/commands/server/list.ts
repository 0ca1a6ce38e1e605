/** `orion server list`. */
import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { listProjects } from "../../hub/projects.ts";
import { listServers } from "../../hub/servers.ts";
import { renderServers } from "../../hub/servers-view.ts";
import { note, print, printJson } from "../../output.ts";

export const list = command({
  args: {
    project: { type: "string", valueHint: "project", description: "only this project's: its name or id" },
    quiet: { type: "boolean", alias: "q", description: "ids only" },
  },
  async run({ args, session }) {
    const hub = connectHub(session);
    const servers = await listServers(hub, args.project);
    if (session.json) await printJson({ servers });
    else if (args.quiet === true) await print(servers.map(({ id }) => `${id}\n`).join(""));
    else if (servers.length === 0) await note("No servers yet. On one of them: sudo orion setup --server");
    else {
      const projects = await listProjects(hub);
      const lines = renderServers(servers, projects, painter(wantsColours(session)), Date.now());
      await print(`${lines.join("\n")}\n`);
    }
    return exitCodes.done;
  },
});
