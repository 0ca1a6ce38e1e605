/** `orion status --watch`: the same view, drawn again every few seconds over a single connection. */
import type { StatusAnswer } from "#src/protocol/ipc.ts";

import { onTerminal, painter, wantsColours } from "./colour.ts";
import { connectDaemon } from "./daemon.ts";
import { type ExitCode, exitCodes, usageFault } from "./exit.ts";
import { print, printJson } from "./output.ts";
import type { Session } from "./session.ts";
import { renderStatus } from "./status-view.ts";

/** Seconds between two looks when nobody says: quick enough to see, slow enough to cost the host nothing. */
const defaultSeconds = 2;

const home = "\u001b[H";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";
const [openScreen, closeScreen] = ["\u001b[?1049h\u001b[?25l", "\u001b[?25h\u001b[?1049l"];

/** Until Ctrl-C, which is how it ends well. In a pipe each look follows the last; with `--json` one document a line. */
export async function watchStatus(interval: string | undefined, session: Session): Promise<ExitCode> {
  const seconds = interval === undefined ? defaultSeconds : Number(interval);
  if (!(seconds >= 0.2 && seconds <= 3600)) {
    throw usageFault(`--interval can't be "${interval}"`, "Give seconds, from 0.2 to 3600");
  }
  const stopped = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stopped.resolve());
  const end = stopped.promise.then(() => true);

  const daemon = await connectDaemon(session.paths.socket);
  const screen = !session.json && onTerminal();
  const paint = painter(wantsColours(session));
  if (screen) await print(openScreen);
  try {
    for (let ended = false; !ended;) {
      const answer = (await daemon.request({ cmd: "status" })) as StatusAnswer;
      if (session.json) await printJson(answer);
      else {
        const width = screen ? process.stdout.columns || undefined : undefined;
        const view = renderStatus(answer, paint, Date.now(), width);
        await print(screen ? `${home}${fitted(view).join(`${clearLine}\n`)}${clearLine}${clearBelow}` : `${view}\n`);
      }
      ended = await Promise.race([end, Bun.sleep(seconds * 1000).then(() => false)]);
    }
  } finally {
    if (screen) await print(closeScreen);
    daemon.close();
  }
  return exitCodes.done;
}

/** The lines that the terminal has room for; a longer one would scroll, and the next look would not lie over this one. */
function fitted(view: string): string[] {
  // a terminal that does not know its size says 0
  const columns = process.stdout.columns || 80;
  const rows = process.stdout.rows || 24;
  const lines = view.trimEnd().split("\n");
  const shown = lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `(${lines.length - rows + 1} more lines)`];
  return shown.map((line) => Bun.sliceAnsi(line, 0, columns, "…"));
}
