/** This process becomes another program, with the same pid and the same children. */
import { blockSignals, execute as executeFile } from "#src/lib/libc.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What systemd says of descriptors to the process that it starts: in one that was replaced they are others. */
const onlyForTheFirst: ReadonlySet<string> = new Set(["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]);

/**
 * From now on signals wait, across `execute` too. Without a handler they would end the successor while it loads, and
 * nobody would stop the applications.
 */
export function holdStopSignals(): void {
  blockSignals(["SIGTERM", "SIGINT", "SIGHUP"]);
}

/** The handlers are in place: signals that waited arrive now. */
export function takeStopSignals(): void {
  blockSignals([]);
}

/** Becomes the program at `path`; `words` are its name and arguments. Returns only when it can't be executed. */
export function execute(path: string, words: readonly string[], env: Environment): void {
  const given = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || onlyForTheFirst.has(name) ? [] : [[name, value] as const],
  );
  executeFile(path, words, Object.fromEntries(given));
}
