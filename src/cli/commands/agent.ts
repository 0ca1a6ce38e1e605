/** `orion agent`: the daemon in the foreground, what systemd and the Docker image start. */
import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";
import { note, print, printJson } from "../output.ts";

export const agent = command({
  args: {
    keep: { type: "boolean", description: "applications go on when systemd restarts the service (keepOnRestart)" },
    check: { type: "boolean", description: "only read settings and scripts, and say what is wrong with them" },
  },
  about: "Runs until SIGTERM or Ctrl-C; SIGHUP reads the scripts file again.",
  async run({ args, session }) {
    const { checkAgent, runAgent } = await import("#src/agent/foreground.ts");
    const where = { env: session.environment.variables, dir: session.dir };
    if (args.check !== true)
      return (await runAgent({ ...where, keep: args.keep === true })) === 0 ? exitCodes.done : exitCodes.failed;
    const { broken, odd } = checkAgent(where);
    if (session.json) await printJson({ ok: broken.length === 0, broken, odd });
    for (const { what, why, todo } of [...odd, ...broken]) await note(`orion: ${what}: ${why}. ${todo}`);
    if (broken.length === 0 && !session.json) await print("settings and scripts can be used\n");
    return broken.length === 0 ? exitCodes.done : exitCodes.failed;
  },
});
