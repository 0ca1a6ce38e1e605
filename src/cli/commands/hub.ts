/** `orion hub`: the hub in the foreground. */
import { systemClock } from "#src/lib/clock.ts";

import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";
import { createForegroundLog } from "../foreground.ts";
import { printJson } from "../output.ts";
import { untilSignal } from "../signals.ts";

export const hub = command({
  args: {
    port: { type: "string", valueHint: "port", description: "port to listen on (8420)" },
    host: { type: "string", valueHint: "address", description: "address to listen on (127.0.0.1)" },
    "data-dir": { type: "string", valueHint: "folder", description: "where everything is stored" },
    "public-url": { type: "string", valueHint: "url", description: "the address that people use, behind a proxy" },
  },
  about: "Serves until SIGTERM or Ctrl-C. Settings also come from ORION_HUB_* variables and hub.json.",
  async run({ args, session }) {
    const [{ createHub }, { readHubSettings }] = await Promise.all([
      import("#src/hub/hub.ts"),
      import("#src/hub/settings.ts"),
    ]);
    const flags = {
      ...(args.port === undefined ? {} : { port: args.port }),
      ...(args.host === undefined ? {} : { host: args.host }),
      ...(args["data-dir"] === undefined ? {} : { dataDir: args["data-dir"] }),
      ...(args["public-url"] === undefined ? {} : { publicUrl: args["public-url"] }),
    };
    const settings = readHubSettings(flags, session.environment.variables, session.dir);
    const log = createForegroundLog();
    const running = createHub(settings, { clock: systemClock, log });
    const stopped = untilSignal(log.error);
    const { url, port } = await running.start();
    if (session.json) await printJson({ url, port, pid: process.pid });
    await stopped;
    await running.stop();
    return exitCodes.done;
  },
});
