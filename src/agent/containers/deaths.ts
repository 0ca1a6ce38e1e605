/** Why a container ended: what is seen before its end, put together. Pure. */
import { constants } from "node:os";

import type { DeathCause } from "#src/protocol/event.ts";

/** What has been seen of a container since it was started. */
export type Omens = {
  /** monotonic ms: somebody asked the engine to end it */
  readonly askedAt: number | undefined;
  /** the kernel killed something in it for its memory limit */
  readonly oom: boolean;
};

export const noOmens: Omens = { askedAt: undefined, oom: false };

/** How long after it was asked an end counts as the answer, in ms; `docker stop` waits for 10 s, people set minutes. */
const askedForMs = 10 * 60_000;
/** Signals that end a program which does not handle them and that people end containers with. */
const ending: ReadonlySet<string> = new Set(["SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM"]);
const names = new Map<number, string>(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** A signal's name: the engine gives its number, sometimes its name with or without SIG. */
export function signalName(signal: string): string {
  const number = Number(signal);
  if (Number.isInteger(number) && signal.trim() !== "") return names.get(number) ?? `signal ${number}`;
  const upper = signal.toUpperCase();
  return upper.startsWith("SIG") ? upper : `SIG${upper}`;
}

/** Whether sending `signal` asks a container to end; it may have a signal of its own for that. */
export function asksToEnd(signal: string, stopSignal: string | undefined): boolean {
  const name = signalName(signal);
  if (stopSignal !== undefined && name === signalName(stopSignal)) return true;
  // SIGHUP mostly means: read your settings again
  return name !== "SIGHUP" && ending.has(name);
}

export function causeOfDeath(
  exitCode: number | null,
  omens: Omens,
  oomKilled: boolean,
  nowMs: number,
): { readonly cause: DeathCause; readonly signal: string | null } {
  // a process that a signal ended counts as 128 + its number, as in a shell
  const number = exitCode !== null && exitCode > 128 && exitCode < 128 + 65 ? exitCode - 128 : 0;
  const signal = names.get(number) ?? null;
  if (omens.askedAt !== undefined && nowMs - omens.askedAt < askedForMs) return { cause: "stopped", signal };
  if (oomKilled || (omens.oom && signal === "SIGKILL")) return { cause: "oom", signal };
  if (exitCode === 0) return { cause: "exited", signal };
  return { cause: signal !== null && ending.has(signal) ? "killed" : "failed", signal };
}
