/**
 * Questions of the wizards. Each has a flag that answers it, so that nothing needs a terminal: an answer that is missing
 * without one is named by its flag. `--yes` takes what would be offered.
 */
import { usageFault } from "../exit.ts";
import type { Terminal } from "./terminal.ts";

/** Why a text can't be the answer, continuing "that …"; undefined when it can. */
export type Check = (text: string) => string | undefined | Promise<string | undefined>;

type Question = {
  /** `--project` */
  readonly flag: string;
  readonly message: string;
};

export type Option<T> = { readonly value: T; readonly label: string; readonly hint?: string };

export type Questions = {
  /** whether a person can be asked */
  readonly interactive: boolean;
  /** what is offered is taken without asking */
  readonly yes: boolean;
  text(
    question: Question & {
      /** what the flag says */
      readonly given?: string | undefined;
      readonly offer?: string | undefined;
      readonly check?: Check;
    },
  ): Promise<string>;
  /** A text that is not shown. */
  secret(question: Question & { readonly check?: Check }): Promise<string>;
  /** `offer` is the place of the one to begin with; without it there must be a person to choose. */
  choose<T>(question: Question & { readonly options: readonly Option<T>[]; readonly offer?: number }): Promise<T>;
  /** Without a person: `offer`, if `--yes` says so, else false. */
  confirm(question: { readonly message: string; readonly offer: boolean }): Promise<boolean>;
  /** Like `confirm`, for what must not be done unasked: without a person it is false, `--yes` or not. */
  insist(message: string): Promise<boolean>;
};

/** `terminal` is undefined when nobody can be asked. */
export function createQuestions(terminal: Terminal | undefined, yes: boolean): Questions {
  function missing(flag: string, offer?: string) {
    const or = offer === undefined ? "" : `, or --yes to take "${offer}"`;
    return usageFault(`${flag} is missing, and there is no terminal to ask on`, `Give ${flag}${or}`);
  }

  return {
    interactive: terminal !== undefined,
    yes,
    async text({ flag, message, given, offer, check }) {
      if (given !== undefined) {
        const wrong = await check?.(given);
        if (wrong !== undefined) throw usageFault(`${flag} can't be "${given}": that ${wrong}`, `Correct ${flag}`);
        return given;
      }
      if (offer !== undefined && yes && (await check?.(offer)) === undefined) return offer;
      if (terminal === undefined) throw missing(flag, offer);
      for (let typed = offer; ;) {
        typed = (await terminal.text(message, typed)).trim();
        const wrong = typed === "" ? "is empty" : await check?.(typed);
        if (wrong === undefined) return typed;
        await terminal.complain(`That ${wrong}`);
      }
    },
    async secret({ flag, message, check }) {
      if (terminal === undefined) throw missing(flag);
      for (;;) {
        const typed = (await terminal.secret(message)).trim();
        const wrong = typed === "" ? "is empty" : await check?.(typed);
        if (wrong === undefined) return typed;
        await terminal.complain(`That ${wrong}`);
      }
    },
    async choose({ flag, message, options, offer }) {
      const first = offer === undefined ? undefined : options[offer];
      if (yes && first !== undefined) return first.value;
      if (terminal === undefined) throw missing(flag, first?.label);
      const chosen = options[await terminal.choose(message, options, offer ?? 0)];
      if (chosen === undefined) throw new RangeError("the terminal chose what was not offered");
      return chosen.value;
    },
    async confirm({ message, offer }) {
      if (yes) return offer;
      return terminal === undefined ? false : await terminal.confirm(message, offer);
    },
    insist: async (message) => (terminal === undefined ? false : await terminal.confirm(message, false)),
  };
}
