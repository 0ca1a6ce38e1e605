/** Asking a person at a terminal: consola's prompts, and a secret that is not shown. Loaded by the wizards only. */
import { isatty } from "node:tty";

import type { ConsolaInstance } from "consola";

import type { Interruptible } from "../interrupt.ts";
import { note } from "../output.ts";

export type Terminal = {
  /** What was typed; `initial` stands there already and can be edited. */
  text(message: string, initial: string | undefined): Promise<string>;
  secret(message: string): Promise<string>;
  /** The place of the chosen one. */
  choose(
    message: string,
    options: readonly { readonly label: string; readonly hint?: string }[],
    initial: number,
  ): Promise<number>;
  confirm(message: string, initial: boolean): Promise<boolean>;
  /** Says why an answer can't be taken; the question follows again. */
  complain(line: string): Promise<void>;
};

/** Whether there is a person to be asked: somebody who reads and types. */
export const hasPerson = (): boolean => isatty(0) && isatty(1);

const showCursor = "\u001b[?25h";
const [ctrlC, ctrlD, escape] = ["\u0003", "\u0004", "\u001b"];

/** Every question ends with the reason of `control.signal` when it is aborted, and Ctrl-C aborts it. */
export async function openTerminal(control: Interruptible): Promise<Terminal> {
  const { createConsola } = await import("consola");
  const consola: ConsolaInstance = createConsola({ level: 3, throttle: 0 });
  // a terminal that is closed fails the next write, which must not end the process before everything is undone
  process.stdout.on("error", () => control.interrupt());

  /** A question that was given up never answers: the terminal is put back as it was found. */
  async function ask<T>(question: () => Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = () => reject(control.signal.reason);
    // the terminal has gone, or its person said with Ctrl-D that there is no more to come
    const end = () => control.interrupt();
    const key = (_: unknown, pressed?: { readonly name?: string; readonly ctrl?: boolean }) => {
      if (pressed?.ctrl === true && pressed.name === "d") end();
    };
    control.signal.throwIfAborted();
    control.signal.addEventListener("abort", stop);
    process.stdin.once("end", end);
    process.stdin.on("keypress", key);
    try {
      const answer = await Promise.race([withNodesStreams(question), promise]);
      if (typeof answer === "symbol") control.interrupt();
      control.signal.throwIfAborted();
      return answer;
    } finally {
      control.signal.removeEventListener("abort", stop);
      process.stdin.off("end", end);
      process.stdin.off("keypress", key);
      restore();
    }
  }

  return {
    text: (message, initial) =>
      ask(() =>
        consola.prompt(message, {
          type: "text",
          cancel: "symbol",
          ...(initial === undefined ? {} : { initial }),
        }),
      ).then((typed) => (typeof typed === "string" ? typed : "")),
    secret: (message) => ask(() => readSecret(message, control)),
    async choose(message, options, initial) {
      const chosen = await ask(() =>
        consola.prompt(message, {
          type: "select",
          cancel: "symbol",
          initial: String(initial),
          options: options.map(({ label, hint }, place) => ({
            label,
            value: String(place),
            ...(hint === undefined ? {} : { hint }),
          })),
        }),
      );
      return Number(chosen);
    },
    confirm: (message, initial) =>
      ask(() => consola.prompt(message, { type: "confirm", cancel: "symbol", initial })).then(
        (answer) => answer === true,
      ),
    complain: (line) => note(`  ${line}`),
  };
}

/**
 * consola's prompts give stdin's echo to a `WriteStream` whose `_write` they replace, to follow what is typed and to keep
 * it off the screen. Bun gives each such stream a fast `write` of its own, which never calls `_write`: without it the
 * stream behaves as Node's does.
 */
async function withNodesStreams<T>(prompt: () => Promise<T>): Promise<T> {
  const { stdin } = process;
  const pipe = stdin.pipe.bind(stdin);
  stdin.pipe = (destination, options) => {
    Reflect.deleteProperty(destination, "write");
    return pipe(destination, options);
  };
  try {
    return await prompt();
  } finally {
    // its own again, from the prototype
    Reflect.deleteProperty(stdin, "pipe");
  }
}

function restore(): void {
  if (process.stdin.isTTY) process.stdin.setRawMode(false);
  process.stdin.pause();
  process.stdout.write(showCursor);
}

/** Shows a dot for each character. Backspace and Ctrl-U work; what is pasted comes in one piece. */
async function readSecret(message: string, control: Interruptible): Promise<string> {
  const { stdin, stdout } = process;
  stdout.write(`${message}\n`);
  stdin.setRawMode(true);
  stdin.resume();
  stdin.setEncoding("utf8");
  let typed = "";
  const { promise, resolve } = Promise.withResolvers<string>();
  const take = (text: string): void => {
    // keys that are no characters, such as arrows
    if (text.startsWith(escape) && !text.startsWith(`${escape}[200~`)) return;
    for (const key of text.replaceAll(/\u001b\[20[01]~/g, "")) {
      if (key === ctrlC || (key === ctrlD && typed === "")) return control.interrupt();
      if (key === "\r" || key === "\n") return resolve(typed);
      if (key === "\u007f" || key === "\b") typed = typed.slice(0, -1);
      else if (key === "\u0015") typed = "";
      else if (key >= " ") typed += key;
    }
    stdout.write(`\r\u001b[K${"•".repeat(Math.min(typed.length, 40))}`);
  };
  stdin.on("data", take);
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => control.signal.addEventListener("abort", () => reject(control.signal.reason))),
    ]);
  } finally {
    stdin.off("data", take);
    stdout.write("\n");
  }
}
