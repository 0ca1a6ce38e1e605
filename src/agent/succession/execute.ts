/** This process becomes another program, with the same pid and the same children. */
import { constants } from "node:os";

import { blockSignals, execute as executeFile, signalsSetUmask } from "#src/lib/libc.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What systemd says of descriptors to the process that it starts: in one that was replaced they are others. */
const onlyForTheFirst: ReadonlySet<string> = new Set(["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]);

/** A process that is being replaced passes them on to its successor; that reads its settings anyway, so not SIGHUP. */
const stopSignals = ["SIGTERM", "SIGINT"] as const;
const unusual = 0o77;

export type Marking = {
  /** The umask that the process had, and the one that it has until a signal to stop comes. */
  readonly umask: { readonly own: number; readonly unmarked: number };
  /** Signals go to their handlers again: the process was not replaced. */
  undo(): void;
};

/**
 * From now on a signal to stop leaves its number as the umask, which outlives `execute`: no handler could pass on what
 * comes in the last moment. What came before goes to the handlers in the next turns of the event loop.
 */
export function markStopSignals(): Marking {
  const own = process.umask();
  // as a rule the same one, so that a successor that knows nothing of this goes on with it
  const unmarked = stopSignals.some((name) => constants.signals[name] === own) ? unusual : own;
  process.umask(unmarked);
  const putBack = signalsSetUmask(stopSignals);
  return {
    umask: { own, unmarked },
    undo() {
      putBack();
      blockSignals([]);
      process.umask(own);
    },
  };
}

/** Reads the mark that a signal has left, and gives the process its umask back. @returns the signal, if there was one */
export function readStopMark({ own, unmarked }: Marking["umask"]): NodeJS.Signals | undefined {
  const found = process.umask(own);
  return found === unmarked ? undefined : stopSignals.find((name) => constants.signals[name] === found);
}

/** The handlers are in place: signals that waited arrive now. */
export function takeStopSignals(): void {
  blockSignals([]);
}

/**
 * Becomes the program at `path`; `words` are its name and arguments. Returns only when it can't be executed. Signals to
 * this thread wait until `takeStopSignals`: without a handler they would end the successor while it loads, and nobody
 * would stop the applications.
 */
export function execute(path: string, words: readonly string[], env: Environment): void {
  const given = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || onlyForTheFirst.has(name) ? [] : [[name, value] as const],
  );
  blockSignals([...stopSignals, "SIGHUP"]);
  executeFile(path, words, Object.fromEntries(given));
}
