/** `orion script list`. */
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { Script } from "#src/protocol/scripts.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { connectDaemon } from "../../daemon.ts";
import { exitCodes } from "../../exit.ts";
import { note, print, printJson } from "../../output.ts";
import { renderScripts } from "../../scripts-view.ts";

type List = { readonly scripts: readonly { readonly script: Script; readonly status: ScriptStatus }[] };

export const list = command({
  args: { quiet: { type: "boolean", alias: "q", description: "names only" } },
  async run({ args, session }) {
    const daemon = await connectDaemon(session.paths.socket);
    const answer = (await daemon.request({ cmd: "script:list" })) as List;
    daemon.close();
    if (session.json) await printJson(answer);
    else if (args.quiet === true) await print(answer.scripts.map(({ script }) => `${script.name}\n`).join(""));
    else if (answer.scripts.length === 0) await note("No scripts yet. Add one: orion script add NAME COMMAND");
    else {
      const rows = renderScripts(
        answer.scripts.map(({ status }) => status),
        painter(wantsColours(session)),
        Date.now(),
      );
      await print(`${rows.join("\n")}\n`);
    }
    return exitCodes.done;
  },
});
