/** `orion status`: what the daemon knows of this host, once or again and again. */
import type { StatusAnswer } from "#src/protocol/ipc.ts";

import { command } from "../command.ts";
import { connectDaemon } from "../daemon.ts";
import { type ExitCode, exitCodes } from "../exit.ts";
import { print, printJson } from "../output.ts";
import type { Session } from "../session.ts";

export const status = command({
  args: {
    watch: { type: "boolean", alias: "w", description: "go on showing it, until Ctrl-C" },
    quiet: { type: "boolean", alias: "q", description: "only the names of scripts and containers, one a line" },
    interval: { type: "string", valueHint: "seconds", description: "seconds between two looks (2)" },
  },
  async run({ args, session }): Promise<ExitCode> {
    if (args.watch === true || args.interval !== undefined) {
      const { watchStatus } = await import("../watch.ts");
      return await watchStatus(args.interval, session);
    }
    const daemon = await connectDaemon(session.paths.socket);
    const answer = (await daemon.request({ cmd: "status" })) as StatusAnswer;
    daemon.close();
    if (args.quiet === true && !session.json) await print(namesOf(answer));
    else await showStatus(answer, session);
    return exitCodes.done;
  },
});

/** What `orion logs` takes. */
const namesOf = ({ scripts, containers }: StatusAnswer): string =>
  [...new Set([...scripts, ...containers].map(({ name }) => name))].map((name) => `${name}\n`).join("");

async function showStatus(answer: StatusAnswer, session: Session): Promise<void> {
  if (session.json) return await printJson(answer);
  const [{ renderStatus }, { onTerminal, painter, wantsColours }] = await Promise.all([
    import("../status-view.ts"),
    import("../colour.ts"),
  ]);
  // a terminal that does not know its size says 0; node:tty, which knows it, is loaded for a terminal only
  const width = onTerminal() ? process.stdout.columns || undefined : undefined;
  await print(renderStatus(answer, painter(wantsColours(session)), Date.now(), width));
}
