/** Ctrl-C (and SIGTERM, SIGHUP) while something is under way that must be undone. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "./exit.ts";
import { note } from "./output.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The person, or the system, has given the command up. Exit code 130, as a shell has it for SIGINT. */
export class Interrupted extends CliFault {
  constructor() {
    super(exitCodes.interrupted, "failed", "given up");
    this.name = "Interrupted";
  }
}

export type Interruptible = {
  /** aborted by the first signal, with an `Interrupted` as its reason */
  readonly signal: AbortSignal;
  /** Gives it up from within, as a prompt does that gets Ctrl-C as a key. */
  interrupt(): void;
};

export type Undo = {
  /** Undoes something when the work fails or is given up; `what` names what is left behind if that fails too. */
  undo(what: string, run: () => Promise<void>): void;
  /** The same, run however the work ends. */
  always(what: string, run: () => Promise<void>): void;
  /** What was to be undone stays from now on. */
  keep(): void;
};

/**
 * Runs `work`; when it does not come to its end, what it told to `undo` is undone in reverse order. Signals abort
 * `signal`; while things are undone they are ignored, so that a second Ctrl-C leaves no half.
 */
export async function interruptible<T>(work: (control: Interruptible & Undo) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Interrupted());
  for (const name of signals) process.on(name, interrupt);
  let steps: { readonly always: boolean; readonly what: string; readonly run: () => Promise<void> }[] = [];
  let failed = true;
  try {
    const result = await work({
      signal: controller.signal,
      interrupt,
      undo: (what, run) => void steps.push({ always: false, what, run }),
      always: (what, run) => void steps.push({ always: true, what, run }),
      keep: () => void (steps = steps.filter(({ always }) => always)),
    });
    failed = false;
    return result;
  } finally {
    for (const { always, what, run } of steps.toReversed()) if (failed || always) await attempt(what, run);
    for (const name of signals) process.off(name, interrupt);
  }
}

async function attempt(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    // the first failure is the one that counts; this one is told beside it
    await note(`orion: ${what} is left behind: ${error instanceof Fault ? error.oneLine : reasonOf(error)}`);
  }
}
