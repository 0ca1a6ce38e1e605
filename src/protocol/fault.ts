/**
 * One error type for everything a person may read. A fault is facts first (a code to act on), text last: what failed,
 * why, and what to do about it.
 */

/** What kind of failure it is; each edge (exit code, HTTP status, IPC answer) translates it once. */
export type FaultCode =
  | "invalid" // the caller's input is wrong
  | "not-found"
  | "conflict" // already exists, or the state does not allow it
  | "unauthenticated" // not signed in, or with a token that is no longer good
  | "denied" // not permitted, or the credentials were refused
  | "limited" // too many attempts; try again later
  | "unreachable" // the other side could not be reached
  | "unavailable" // temporarily unable: full, overloaded, shutting down
  | "failed"; // everything else

/** An error with a cause that a person can act on. `message` is `what: why`; `hint` says what to do. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly hint: string | undefined;

  constructor(code: FaultCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Fault";
    this.code = code;
    this.hint = options.hint;
  }

  /** The one line that commands print: what failed, why, and what to do. (`line` is taken: the engine's line number.) */
  get oneLine(): string {
    return this.hint === undefined ? this.message : `${this.message}. ${this.hint}`;
  }
}

/** The text of anything thrown, without a stack. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return String(error);
}

/** The errno name (`ENOENT`, …) of a system error, or undefined. See errno(3). */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}
