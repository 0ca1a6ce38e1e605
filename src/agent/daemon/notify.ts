/** Tells systemd how the daemon is doing, as sd_notify(3) does: datagrams to the socket that NOTIFY_SOCKET names. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { sendDatagram } from "#src/lib/libc.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type Notifier = {
  /** The daemon serves from now on; keeps the watchdog content too, when there is one. */
  ready(status: string): void;
  /** A reload begins; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  status(text: string): void;
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
    close() {
      cancel?.();
      cancel = undefined;
    },
  };
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
