/** Looks at the config file now and then, and puts what has changed in it in force. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { releaseOwnCode } from "#src/lib/own-memory.ts";
import type { LogLevel } from "#src/protocol/config.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Problem } from "#src/protocol/ipc.ts";

import type { Tempo } from "./daemon/tempo.ts";
import type { Delivery } from "./delivery/door.ts";
import { restartProblems } from "./problems.ts";
import type { SettingsSource } from "./settings.ts";

/**
 * Between two looks at the config file (one stat(2)) while the hub is not content with us. When it is, each heartbeat
 * looks, so that an idle agent is not woken for it.
 */
const everyMs = 5000;

export type Looks = {
  start(): void;
  stop(): void;
  /** A heartbeat is on its way: looks behind it, since that may change the connection that it goes over. */
  behindHeartbeat(): void;
  /** Reads the settings again, now. */
  refresh(): void;
};

export function createLooks(world: {
  readonly settings: SettingsSource;
  readonly delivery: Pick<Delivery, "connect" | "setHeartbeatInterval" | "status">;
  readonly scriptsProblems: () => readonly Problem[];
  readonly tell: (problems: readonly Problem[]) => void;
  readonly tempo: Tempo | undefined;
  readonly clock: Clock;
  readonly log: { debug(message: string): void; info(message: string): void; setLevel(level: LogLevel): void };
}): Looks {
  const { settings, delivery, scriptsProblems, tell, tempo, clock, log } = world;
  const built = settings.current();
  let { connection } = built;
  let running = false;
  let settled = false;
  let cancel: Cancel | undefined;

  function apply(): void {
    const now = settings.current();
    log.setLevel(now.config.logLevel);
    delivery.setHeartbeatInterval(now.config.heartbeatInterval);
    tell([...settings.problems(), ...restartProblems(built.config, now.config), ...scriptsProblems()]);
    if (Bun.deepEquals(now.connection, connection)) return;
    connection = now.connection;
    log.info(connection === null ? "no hub is configured any more" : `settings changed: using ${connection.apiUrl}`);
    delivery.connect(connection);
  }

  function refresh(): void {
    if (settings.refresh()) apply();
  }

  function look(): void {
    cancel = undefined;
    refresh();
    if (!settled) settle();
    tempo?.rest();
    if (delivery.status().state !== "online") lookIn(everyMs);
  }

  function lookIn(delayMs: number): void {
    if (!running) return;
    cancel?.();
    cancel = clock.after(delayMs, look);
  }

  /** Once, when the start is over: an idle agent needs little of the code that it took to get there. */
  function settle(): void {
    settled = true;
    try {
      log.debug(`settled: ${releaseOwnCode()} bytes of code given back`);
    } catch (error) {
      log.debug(`memory that the start took can't be given back: ${reasonOf(error)}`);
    }
  }

  return {
    start() {
      running = true;
      lookIn(everyMs);
    },
    stop() {
      running = false;
      cancel?.();
    },
    behindHeartbeat() {
      if (settled) lookIn(0);
    },
    refresh,
  };
}
