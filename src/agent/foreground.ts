/** `orion agent`: the agent in the foreground, with its log, its signals and systemd. */
import { fstatSync, writeSync } from "node:fs";

import { systemClock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { version as ownVersion } from "#src/protocol/version.ts";

import { createAgent } from "./agent.ts";
import { openLog } from "./daemon/log.ts";
import { createNotifier } from "./daemon/notify.ts";
import { handleSignals } from "./daemon/signals.ts";
import { createTempo } from "./daemon/tempo.ts";
import { type Environment, openSettings } from "./settings.ts";

/** systemd's units give 20 s; this is what the agent promises. */
const stopWithinMs = 15_000;

/**
 * The agent in the foreground, until it is signalled: what systemd and the Docker image start. SIGTERM and SIGINT stop
 * everything within 15 s, a second one at once; SIGHUP reloads.
 * @returns the exit code: 0 after an orderly stop, 1 when it had to be cut short
 * @throws {Fault} when it can't start
 */
export async function runAgent(options: {
  readonly env: Environment;
  readonly dir?: string | undefined;
  readonly version?: string;
}): Promise<number> {
  const { env, dir, version = ownVersion } = options;
  const settings = openSettings({ env, dir, version });
  const clock = systemClock;
  const log = openLog({
    path: settings.paths.logFile,
    level: settings.current().config.logLevel,
    clock,
    mirror: isTerminal(2) ? print : undefined,
    fallback: print,
  });
  const agent = createAgent(settings, { clock, log, version, tempo: createTempo() });
  const notifier = createNotifier(env, clock);
  const ended = Promise.withResolvers<number>();
  let stopping = false;

  const release = handleSignals({
    stop(signal) {
      stopping = true;
      log.info(`${signal}: stopping`);
      notifier.stopping();
      clock.after(stopWithinMs, () => {
        log.error(`not everything stopped within ${stopWithinMs / 1000} s; ending without it`);
        ended.resolve(1);
      });
      keep(
        agent.stop({ reason: signal }).then(() => ended.resolve(0)),
        ended.reject,
      );
    },
    force(signal) {
      log.warn(`${signal} again: ending at once`);
      ended.resolve(1);
    },
    reload() {
      notifier.reloading();
      // opened again at the next line: somebody may have moved the file away
      log.close();
      keep(
        agent.reload().finally(() => notifier.ready(summary())),
        (error) => log.error(`reload failed: ${reasonOf(error)}`),
      );
    },
    error: (message) => log.error(message),
  });

  function summary(): string {
    const { scripts, delivery } = agent.status();
    const up = scripts.filter((script) => script.state === "running").length;
    return `${up} of ${scripts.length} scripts running, delivery ${delivery.state}`;
  }

  try {
    await agent.start();
    if (!stopping) notifier.ready(summary());
    return await ended.promise;
  } finally {
    notifier.close();
    release();
    log.close();
  }
}

/** Whether a descriptor is a terminal or the like; never a pipe, a file or the journal's socket. */
function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    // closed: nobody reads it
    return false;
  }
}

function print(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // the terminal is gone; the log file has the line, or there is nobody left to tell
  }
}
