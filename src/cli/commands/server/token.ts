/** `orion server rotate-token` and `orion server revoke-token`. */
import { newAgentToken } from "#src/protocol/api.ts";

import { command } from "../../command.ts";
import { exitCodes } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { findServer } from "../../hub/servers.ts";
import { note, print, printJson } from "../../output.ts";
import { serverWord } from "./show.ts";

export const rotate = command({
  args: { id: serverWord },
  about:
    "Prints the new token, this once. The old one is dead at once: until the agent has the new one in its config\nfile it keeps everything and sends nothing. No restart is needed.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    const { token } = await hub.ask({ method: "POST", path: `/api/servers/${id}/agent-token` }, newAgentToken);
    if (session.json) await printJson({ id, hostname, token });
    else {
      await print(`${token}\n`);
      await note(`The new token of ${hostname}, shown this once; put it into its config file as "token"`);
    }
    return exitCodes.done;
  },
});

export const revoke = command({
  args: { id: serverWord },
  about: "The agent can't report any more until it gets a new token (orion server rotate-token).",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    await hub.order({ method: "DELETE", path: `/api/servers/${id}/agent-token` });
    if (session.json) await printJson({ id, hostname });
    else await print(`The token of ${hostname} is revoked\n`);
    return exitCodes.done;
  },
});
