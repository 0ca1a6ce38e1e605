/** `orion up`: the trial. Hub and agent of this machine in one process, without root, everything below one folder. */
import { hostname } from "node:os";

import { systemClock } from "#src/lib/clock.ts";
import { version } from "#src/protocol/version.ts";

import { command } from "../command.ts";
import { exitCodes } from "../exit.ts";
import { createForegroundLog, writeError } from "../foreground.ts";
import { print, printJson } from "../output.ts";
import { untilSignal } from "../signals.ts";
import { type FullCredentials, provideCredentials } from "../trial/credentials.ts";
import { addDemo } from "../trial/demo.ts";
import { defaultFolder, ownVariables, takeGround, writeConfig } from "../trial/ground.ts";

/** Milliseconds until the second heartbeat: soon enough that the dashboard shows this machine's real load within five seconds. */
const secondBeatMs = 2500;

export const up = command({
  args: {
    port: { type: "string", valueHint: "port", description: "port of the dashboard (8420)" },
    demo: { type: "boolean", description: "also run a small program that logs and crashes now and then" },
  },
  about: "Runs until Ctrl-C. Everything lies below --dir (~/.local/share/orion): delete it and the trial is gone.",
  async run({ args, session }) {
    const dir = session.dir ?? defaultFolder(session.environment);
    const ground = takeGround(dir);
    const { paths } = ground;
    const variables = ownVariables(session.environment);
    const [{ createHub }, { readHubSettings }, { createAgent, openLog, openSettings }] = await Promise.all([
      import("#src/hub/hub.ts"),
      import("#src/hub/settings.ts"),
      import("#src/agent/agent.ts"),
    ]);
    const flags = { dataDir: paths.dataDir, ...(args.port === undefined ? {} : { port: args.port }) };
    const settings = { ...readHubSettings(flags, variables, dir), heartbeatInterval: 10 };
    const file = openLog({ path: paths.logFile, level: "info", clock: systemClock, fallback: writeError });
    const shown = createForegroundLog("warn");
    const log = {
      ...file,
      warn: (message: string) => (file.warn(message), shown.warn(message)),
      error: (message: string) => (file.error(message), shown.error(message)),
    };
    const stopped = untilSignal(log.error);
    const hub = createHub(settings, { clock: systemClock, log });
    try {
      const { url } = await hub.start();
      const credentials = await provideCredentials(paths.credentials, url, hub.operator);
      const { id, token } = await hub.operator.registerServer({ hostname: hostname() });
      writeConfig(paths.config, { apiUrl: url, token, serverId: id });
      const agent = createAgent(openSettings({ env: variables, dir, version }), { clock: systemClock, log, version });
      try {
        await agent.start();
        // the first heartbeat, sent at once, has no span to measure shares and rates over
        const cancelBeat = systemClock.after(secondBeatMs, () => agent.beat());
        if (args.demo === true) await addDemo(paths.socket);
        if (session.json) await printJson({ url, dir, pid: process.pid, serverId: id });
        else await print(welcome(credentials, dir, args.demo === true));
        await stopped;
        cancelBeat();
      } finally {
        await agent.stop({ reason: "orion up ended" });
      }
    } finally {
      await hub.stop();
      ground.release();
      file.close();
    }
    return exitCodes.done;
  },
});

function welcome({ url, email, password }: FullCredentials, dir: string, demo: boolean): string {
  const next = demo ? `orion --dir ${dir} logs demo -f` : `orion --dir ${dir} script add NAME COMMAND --start`;
  return [
    "Orion runs on this machine.",
    "",
    `  Dashboard  ${url}`,
    `  Sign in    ${email}, password ${password}`,
    `  Status     orion --dir ${dir} status`,
    `  ${demo ? "Demo     " : "Next     "}  ${next}`,
    `  Data       ${dir}`,
    "",
    "Ctrl-C stops it.",
    "",
  ].join("\n");
}
