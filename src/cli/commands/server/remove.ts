/** `orion server remove`. */
import { command } from "../../command.ts";
import { exitCodes, usageFault } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import { findServer } from "../../hub/servers.ts";
import { interruptible } from "../../interrupt.ts";
import { print, printJson } from "../../output.ts";
import { serverWord } from "./show.ts";

export const remove = command({
  args: { id: serverWord, yes: { type: "boolean", alias: "y", description: "do not ask" } },
  about: "Forgets the server with its events; its token is dead at once. Its log entries go with their age.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    if (args.yes !== true && !(await agreed(hostname))) return exitCodes.failed;
    await hub.order({ method: "DELETE", path: `/api/servers/${id}` });
    if (session.json) await printJson({ id, hostname });
    else await print(`${hostname} is removed\n`);
    return exitCodes.done;
  },
});

async function agreed(hostname: string): Promise<boolean> {
  const { hasPerson, openTerminal } = await import("../../setup/terminal.ts");
  if (!hasPerson()) throw usageFault("there is no terminal to ask on whether that is meant", "Say so with --yes");
  return await interruptible(async (control) => {
    const terminal = await openTerminal(control);
    return await terminal.confirm(`Remove ${hostname} and its history from the hub?`, false);
  });
}
