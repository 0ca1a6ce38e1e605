/** `orion agent guard`: what the agent starts to watch over its successor. Not for people. */
import { command } from "../command.ts";
import { exitCodes, usageFault } from "../exit.ts";

export const guard = command({
  args: {
    daemon: { type: "string", required: true, valueHint: "pid", description: "the process that is being replaced" },
    program: { type: "string", required: true, valueHint: "file", description: "the program that takes over" },
    "run-dir": { type: "string", required: true, valueHint: "folder", description: "its run folder" },
    "log-file": { type: "string", required: true, valueHint: "file", description: "its log" },
  },
  about: "The agent starts it by itself, for as long as a new program has to prove that it runs.",
  async run({ args, session }) {
    const { daemon, program, "run-dir": runDir, "log-file": logFile } = args;
    if (program === undefined || runDir === undefined || logFile === undefined || !/^[1-9]\d*$/.test(daemon ?? ""))
      throw usageFault("agent guard is started by the agent", "To replace the daemon: orion agent reexec");
    const { runGuard } = await import("#src/agent/foreground.ts");
    await runGuard({ env: session.environment.variables, daemon: Number(daemon), program, runDir, logFile });
    return exitCodes.done;
  },
});
