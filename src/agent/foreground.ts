/** `orion agent`: the agent in the foreground, with its log, its signals and systemd. */
import { fstatSync, writeSync } from "node:fs";

import { systemClock } from "#src/lib/clock.ts";
import { endsWithItsContainer } from "#src/lib/container.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Problem } from "#src/protocol/ipc.ts";
import { version as ownVersion } from "#src/protocol/version.ts";

import { createAgent } from "./agent.ts";
import { openLog } from "./daemon/log.ts";
import { closeListenFds, createNotifier } from "./daemon/notify.ts";
import { handleSignals } from "./daemon/signals.ts";
import { isRestart } from "./daemon/systemd.ts";
import { createTempo } from "./daemon/tempo.ts";
import { checkScriptsFile } from "./scripts-file.ts";
import { type Environment, openSettings } from "./settings.ts";
import { takeStopSignals } from "./succession/execute.ts";
import { guard } from "./succession/guard.ts";
import { createSuccession } from "./succession/succession.ts";

/** systemd's units give 20 s; this is what the agent promises. */
const stopWithinMs = 15_000;

/**
 * What `orion agent --check` says: reads settings and scripts as a start would, and does nothing else.
 * @returns what a start would leave out because it is wrong, and what is merely worth a look
 * @throws {Fault} when an agent could not start at all
 */
export function checkAgent(options: { readonly env: Environment; readonly dir?: string | undefined }): {
  readonly broken: readonly Problem[];
  readonly odd: readonly Problem[];
} {
  const settings = openSettings({ ...options, version: ownVersion });
  const broken = [...settings.broken(), ...checkScriptsFile(settings.paths.scripts)];
  return { broken, odd: settings.problems().filter((problem) => !broken.includes(problem)) };
}

/**
 * Watches a daemon that is being replaced, until its successor has proved itself; see succession/guard.ts.
 * @throws {Fault} when that daemon is not being replaced
 */
export async function runGuard(options: {
  readonly env: Environment;
  readonly daemon: number;
  readonly program: string;
  readonly runDir: string;
  readonly logFile: string;
}): Promise<void> {
  const { logFile: path, ...watched } = options;
  const log = openLog({ path, level: "info", clock: systemClock, fallback: print });
  await guard({ ...watched, log });
}

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
  /** scripts outlive a restart by systemd, as with `keepOnRestart` */
  readonly keep?: boolean;
}): Promise<number> {
  const { env, dir, version = ownVersion } = options;
  closeListenFds(env);
  const settings = openSettings({ env, dir, version });
  const clock = systemClock;
  const log = openLog({
    path: settings.paths.logFile,
    level: settings.current().config.logLevel,
    clock,
    // in a container of its own the log is where `docker logs` shows it
    mirror: isTerminal(2) || endsWithItsContainer(process.pid) ? print : undefined,
    fallback: print,
  });
  const notifier = createNotifier(env, clock);
  const ended = Promise.withResolvers<number>();
  const { runDir, logFile } = settings.paths;
  const succession = createSuccession({ runDir, logFile, version, env, log });
  const agent = createAgent(settings, {
    clock,
    log,
    version,
    tempo: createTempo(),
    succession,
    store: notifier,
    handingOver: () => notifier.reloading(),
    handOverFailed: (error) => ended.reject(error),
  });
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
        stop(signal).then(() => ended.resolve(0)),
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

  takeStopSignals();

  async function stop(signal: string): Promise<void> {
    const wanted = options.keep === true || settings.current().config.keepOnRestart;
    const leave = wanted && signal === "SIGTERM" && (await isRestart(env));
    if (leave) log.info("systemd restarts the service: scripts go on");
    await agent.stop({ reason: leave ? "restart" : signal, keep: leave });
  }

  function summary(): string {
    const { scripts, delivery } = agent.status();
    const up = scripts.filter((script) => script.state === "running").length;
    return `${up} of ${scripts.length} scripts running, delivery ${delivery.state}`;
  }

  try {
    await agent.start();
    if (endsWithItsContainer(process.pid)) {
      log.info(
        "this container ends with the agent, and then its applications do: they only outlive an agent on a host",
      );
    }
    if (!stopping) notifier.ready(summary());
    const signal = succession.askedToStop();
    if (signal !== undefined) process.kill(process.pid, signal);
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
