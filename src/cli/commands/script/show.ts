/** `orion script show`. */
import type { ScriptShowAnswer } from "#src/protocol/ipc.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { connectDaemon } from "../../daemon.ts";
import { exitCodes } from "../../exit.ts";
import { print, printJson } from "../../output.ts";
import { renderScript } from "../../scripts-view.ts";

export const show = command({
  args: { name: { type: "positional", required: true, valueHint: "script", description: "the script's name" } },
  async run({ args, session }) {
    const daemon = await connectDaemon(session.paths.socket);
    const answer = (await daemon.request({ cmd: "script:show", name: args.name })) as ScriptShowAnswer;
    daemon.close();
    if (session.json) await printJson(answer);
    else await print(renderScript(answer.script, answer.status, painter(wantsColours(session)), Date.now()));
    return exitCodes.done;
  },
});
