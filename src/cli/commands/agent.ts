/** `orion agent`: the daemon in the foreground, what systemd and the Docker image start. */
import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";

export const agent = command({
  args: {},
  about: "Runs until SIGTERM or Ctrl-C; SIGHUP reads the scripts file again.",
  async run({ session }) {
    const { runAgent } = await import("#src/agent/foreground.ts");
    const code = await runAgent({ env: session.environment.variables, dir: session.dir });
    return code === 0 ? exitCodes.done : exitCodes.failed;
  },
});
