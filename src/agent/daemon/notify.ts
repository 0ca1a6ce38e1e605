/** Tells systemd how the daemon is doing, as sd_notify(3) does: datagrams to the socket that NOTIFY_SOCKET names. */
import { closeSync } from "node:fs";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { sendDatagram, sendDescriptor } from "#src/lib/libc.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type Notifier = {
  /** The daemon serves from now on; keeps the watchdog content too, when there is one. */
  ready(status: string): void;
  /** A reload begins; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  status(text: string): void;
  /**
   * Has systemd keep a copy of a descriptor, under a name of its own, for as long as the service is not stopped: what lies
   * in a pipe is then there even if nobody else has it open. A copy of before under that name is given up.
   */
  store(name: string, fd: number): void;
  /** Has systemd close what it keeps under a name. */
  discard(name: string): void;
  /** Ends the watchdog's timer. */
  close(): void;
};

/**
 * A notifier for the environment that systemd gives. Without NOTIFY_SOCKET nothing is sent and no timer runs.
 * With WATCHDOG_USEC it reports twice in that time, as sd_watchdog_enabled(3) recommends: an event loop that hangs
 * doesn't, and is started again.
 */
export function createNotifier(env: Environment, clock: Clock): Notifier {
  const address = env["NOTIFY_SOCKET"] ?? "";
  const enabled = address.startsWith("/") || address.startsWith("@");
  const watchdogMs = enabled ? watchdogInterval(env) : undefined;
  let cancel: Cancel | undefined;

  const send = (...lines: string[]): void => {
    // a lost message is not worth a word: systemd sees the process itself
    if (enabled) sendDatagram(address, lines.join("\n"));
  };
  const wag = (): void => {
    if (watchdogMs === undefined) return;
    send("WATCHDOG=1");
    cancel = clock.after(watchdogMs, wag);
  };

  return {
    ready(status) {
      send("READY=1", `STATUS=${oneLine(status)}`, `MAINPID=${process.pid}`);
      if (cancel === undefined) wag();
    },
    // MONOTONIC_USEC: the moment that systemd compares with its own, for Type=notify-reload
    reloading: () => send("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => send("STOPPING=1"),
    status: (text) => send(`STATUS=${oneLine(text)}`),
    store(name, fd) {
      if (!enabled) return;
      this.discard(name);
      // FDPOLL=0: systemd would drop a pipe whose other end was closed
      sendDescriptor(address, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, fd);
    },
    discard: (name) => send("FDSTOREREMOVE=1", `FDNAME=${name}`),
    close() {
      cancel?.();
      cancel = undefined;
    },
  };
}

/** Of the descriptors that systemd hands over, the first. See sd_listen_fds(3). */
const firstListenFd = 3;

/**
 * Closes the copies of stored descriptors that systemd gives to a service that it starts again: everything is opened by
 * its name, and systemd keeps its own. @returns how many they were
 */
export function closeListenFds(env: Environment): number {
  if (env["LISTEN_PID"] !== String(process.pid)) return 0;
  const count = Number(env["LISTEN_FDS"] ?? 0);
  for (let fd = firstListenFd; fd < firstListenFd + count; fd++) closeSync(fd);
  return count;
}

/** Half of WATCHDOG_USEC in milliseconds; undefined when there is no watchdog or it is meant for another process. */
function watchdogInterval(env: Environment): number | undefined {
  const pid = env["WATCHDOG_PID"] ?? "";
  if (pid !== "" && pid !== String(process.pid)) return undefined;
  const text = env["WATCHDOG_USEC"] ?? "";
  return /^[1-9]\d*$/.test(text) ? Math.max(1, Number(text) / 2000) : undefined;
}

function oneLine(text: string): string {
  return text.replaceAll("\n", " ");
}
