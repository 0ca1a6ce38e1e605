/** Somebody at a terminal: a command line on a real pseudo-terminal, read and typed at. */
import { until } from "#test/kit/wait.ts";

import { main } from "./orion.ts";

export const keys = {
  enter: "\r",
  up: "\u001b[A",
  down: "\u001b[B",
  right: "\u001b[C",
  ctrlC: "\u0003",
  ctrlD: "\u0004",
};

export type Typist = AsyncDisposable & {
  readonly pid: number;
  /** Waits until `text` appears after everything that was waited for before. Gives the screen's text from there on. */
  sees(text: string): Promise<string>;
  /** Types keys, as fast as a person pastes. */
  types(text: string): void;
  /** All that was shown, without colours and movements. */
  screen(): string;
  /** All that was shown, as it came. */
  raw(): string;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number>;
};

export type TypistOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** the program, when it is not the one from the sources */
  readonly program?: readonly string[];
};

/** Starts `orion <words>` at a terminal of 100 columns and 40 rows. */
export function sitDown(words: readonly string[], { env = {}, cwd, program }: TypistOptions = {}): Typist {
  let raw = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...(program ?? [process.execPath, main]), ...words], {
    terminal: {
      cols: 100,
      rows: 40,
      data: (_, bytes) => void (raw += decoder.decode(bytes, { stream: true })),
    },
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", TERM: "xterm-256color", ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const terminal = child.terminal;
  if (terminal === undefined) throw new Error("there is no terminal");
  let read = 0;
  const screen = () => Bun.stripANSI(raw);
  return {
    pid: child.pid,
    async sees(text) {
      const at = await until(() => {
        const found = screen().indexOf(text, read);
        return found === -1 ? undefined : found + 1;
      }, `"${text}" on the terminal`).catch((error: unknown) => {
        throw new Error(`${String(error)}; it shows:\n${screen().slice(read)}`, { cause: error });
      });
      read = at - 1 + text.length;
      return screen().slice(at - 1);
    },
    types: (text) => void terminal.write(text),
    screen,
    raw: () => raw,
    kill: (signal) => child.kill(signal),
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await child.exited;
      terminal.close();
    },
  };
}
