/** How a command is declared: its arguments in citty's words, and what it does. Names and summaries are in tree.ts. */
import type { ArgsDef, ParsedArgs } from "citty";

import type { ExitCode } from "./exit.ts";
import type { Session } from "./session.ts";

/** One run of a command. */
export type Invocation<T extends ArgsDef = ArgsDef> = {
  readonly args: ParsedArgs<T>;
  /** all words that are no flags */
  readonly words: readonly string[];
  /** every value of the flags that may be given more than once */
  readonly repeated: Readonly<Record<string, readonly string[]>>;
  readonly session: Session;
};

/**
 * `args` in citty's form, with two meanings of `valueHint` on top. A hint that ends in `...` may be given more than once
 * (flags) or takes all remaining words (positionals). And `script`, `folder`, `file` tell the shell's completion what to offer.
 */
export type Command<T extends ArgsDef = ArgsDef> = {
  readonly args: T;
  /** lines for `--help`, after the summary: what a reader could not guess */
  readonly about?: string;
  readonly examples?: readonly string[];
  run(invocation: Invocation<T>): Promise<ExitCode>;
};

/** Declares a command, so that `run` sees its own arguments typed. */
export function command<const T extends ArgsDef>(definition: Command<T>): Command {
  return definition as unknown as Command;
}
