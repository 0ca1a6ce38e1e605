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
    await showStatus(answer, session);
    return exitCodes.done;
  },
});

async function showStatus(answer: StatusAnswer, session: Session): Promise<void> {
  if (session.json) return await printJson(answer);
  const [{ renderStatus }, { painter, wantsColours }] = await Promise.all([
    import("../status-view.ts"),
    import("../colour.ts"),
  ]);
  await print(renderStatus(answer, painter(wantsColours(session)), Date.now()));
}
