/** Why the daemon can't be talked to, in words that say what to do. */
import { type FaultCode, errnoOf, reasonOf } from "#src/protocol/fault.ts";

import { CliFault, exitCodes } from "./exit.ts";

const noDaemon = (message: string, hint: string, cause?: unknown) =>
  new CliFault(exitCodes.noDaemon, "unreachable", message, hint, cause);

function howToStart(socketPath: string): string {
  const dir = /^(.+)\/run\/agent\.sock$/.exec(socketPath)?.[1];
  if (socketPath === "/run/orion/agent.sock" || dir === undefined) {
    return "Start it with: sudo systemctl start orion-agent (or in the foreground: orion agent)";
  }
  return `Start it with: orion --dir ${dir} agent (or for a trial: orion up --dir ${dir})`;
}

/** connect(2) on the socket failed. */
export async function unreachable(socketPath: string, error: unknown): Promise<CliFault> {
  const errno = errnoOf(error);
  if (errno === "EACCES" || errno === "EPERM") {
    return noDaemon(
      `no permission to use the daemon's socket ${socketPath}`,
      "Join its group and sign in again: sudo usermod -aG orion $USER",
      error,
    );
  }
  if (errno === "ENOENT" || errno === "ENOTDIR") {
    return noDaemon(`the daemon is not running: there is no socket ${socketPath}`, howToStart(socketPath), error);
  }
  if (errno === "EINVAL" || errno === "ENAMETOOLONG") {
    const length = Buffer.byteLength(socketPath);
    return noDaemon(
      `the socket's path ${socketPath} is ${length} bytes long and Unix sockets allow 107`,
      "Use a shorter --dir, or set ORION_RUN_DIR to a short folder",
      error,
    );
  }
  if (errno === "ECONNREFUSED") {
    const stale = (await isSocket(socketPath))
      ? "its socket is left over from one that ended"
      : "its path is no socket";
    return noDaemon(`the daemon is not running: ${stale} (${socketPath})`, howToStart(socketPath), error);
  }
  return noDaemon(
    `the daemon can't be reached at ${socketPath}: ${reasonOf(error)}`,
    "See what is wrong: orion doctor",
    error,
  );
}

async function isSocket(path: string): Promise<boolean> {
  return (await Bun.file(path).stat()).isSocket();
}

/** The connection ended before the answer came. */
export function hungUp(cause?: unknown): CliFault {
  return new CliFault(
    exitCodes.failed,
    "unreachable",
    "the daemon hung up before it answered",
    "See whether it still runs: orion status",
    cause,
  );
}

/** The daemon ended an answer that would have gone on. */
export function followEnded(): CliFault {
  return new CliFault(
    exitCodes.failed,
    "unreachable",
    "the daemon ended the connection",
    "It has stopped, or this reader was too slow for it: see orion status",
  );
}

export function notAnswering(timeoutMs: number): CliFault {
  return noDaemon(
    `the daemon did not answer within ${timeoutMs / 1000} seconds`,
    "It may hang; look at its log, or restart it: sudo systemctl restart orion-agent",
  );
}

/** A line from the daemon before anybody has looked at it. */
export type RawAnswer = {
  readonly ok?: unknown;
  readonly data?: unknown;
  readonly error?: unknown;
  readonly code?: unknown;
  readonly hint?: unknown;
  readonly replaced?: unknown;
};

/** The daemon answered `ok: false`. */
export function refused(answer: RawAnswer): CliFault {
  const message = typeof answer.error === "string" ? answer.error : "the daemon refused and gave no reason";
  const code = (typeof answer.code === "string" ? answer.code : "failed") as FaultCode;
  return new CliFault(exitCodes.failed, code, message, typeof answer.hint === "string" ? answer.hint : undefined);
}
