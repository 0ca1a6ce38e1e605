/** Exit codes, and the errors that carry one. */
import { Fault, type FaultCode } from "#src/protocol/fault.ts";

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  noDaemon: 3,
  hubRefused: 4,
  noHub: 5,
  /** 128 + SIGINT, as shells have it */
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** A failure that decides how the process ends. `message` says what failed and why, `hint` what to do. */
export class CliFault extends Fault {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, code: FaultCode, message: string, hint?: string, cause?: unknown) {
    super(code, message, { ...(hint === undefined ? {} : { hint }), ...(cause === undefined ? {} : { cause }) });
    this.name = "CliFault";
    this.exitCode = exitCode;
  }
}

/** The line was typed wrong. */
export function usageFault(message: string, hint: string): CliFault {
  return new CliFault(exitCodes.usage, "invalid", message, hint);
}

/** Whoever reads our output has gone (`orion logs | head`): nobody is left to tell, which is no failure. */
export class OutputClosed extends Error {
  constructor() {
    super("nobody reads the output any more");
    this.name = "OutputClosed";
  }
}
