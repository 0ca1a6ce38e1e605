/** What the doctor says about one thing. */
import type { Paths } from "#src/protocol/paths.ts";

import type { Session } from "../session.ts";

export type Result = "ok" | "warn" | "fail";

export type Finding = {
  /** what was looked at: one or two words */
  readonly check: string;
  readonly result: Result;
  /** what is so, and why when it is wrong */
  readonly what: string;
  /** what to do about it; null when nothing is */
  readonly todo: string | null;
};

/** Where and as whom the doctor looks. */
export type Patient = {
  readonly paths: Paths;
  /** the folder that they are below, if there is one */
  readonly dir: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** numeric user, 0 is root */
  readonly uid: number;
  /** of the command line, whose login is looked at; undefined: it is left out */
  readonly session?: Session;
};

export const ok = (check: string, what: string): Finding => ({ check, result: "ok", what, todo: null });
export const warn = (check: string, what: string, todo: string): Finding => ({ check, result: "warn", what, todo });
export const fail = (check: string, what: string, todo: string): Finding => ({ check, result: "fail", what, todo });
