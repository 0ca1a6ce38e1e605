/** `orion agent reexec`: replaces the running daemon in place; what systemd does at a reload. */
import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";
import { print, printJson } from "../output.ts";
import { replaceDaemon } from "../replacement.ts";

export const reexec = command({
  args: {},
  about: "Applications go on. A new program that ends within 10 s is taken back, and the one before goes on.",
  async run({ session }) {
    const now = await replaceDaemon(session.paths);
    const { pid, version, startedAt, began } = now;
    if (session.json) await printJson({ pid, version, startedAt, began });
    else await print(`the agent is ${began}: version ${version}, pid ${pid}\n`);
    return exitCodes.done;
  },
});
