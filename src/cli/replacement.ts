/** Having the daemon replaced in place, and waiting for what becomes of it. */
import { Fault } from "#src/protocol/fault.ts";
import type { PingAnswer } from "#src/protocol/ipc.ts";
import type { Paths } from "#src/protocol/paths.ts";

import { connectDaemon } from "./daemon.ts";
import { CliFault, exitCodes } from "./exit.ts";

/** Until the daemon answers: a probation that is under way is waited for, then the new program is tried. */
const agreeWithinMs = 60_000;
/** Until the successor is trusted, or the one before is back. */
const settleWithinMs = 90_000;
const lookEveryMs = 50;

/** Who answers at a socket. @throws {CliFault} */
export async function askWho(socket: string): Promise<PingAnswer> {
  const daemon = await connectDaemon(socket);
  try {
    return (await daemon.request({ cmd: "ping" })) as PingAnswer;
  } finally {
    daemon.close();
  }
}

/**
 * Replaces the daemon and waits until its successor has proved itself.
 * @throws {CliFault} the successor is not fit and nothing has changed, or it failed and the program before is back
 */
export async function replaceDaemon({ socket }: Paths): Promise<PingAnswer> {
  const before = await askWho(socket);
  const daemon = await connectDaemon(socket);
  try {
    await daemon.request({ cmd: "agent:reexec" }, agreeWithinMs);
  } finally {
    daemon.close();
  }
  const now = await untilSettled(socket, before);
  if (!now.rolledBack) return now;
  throw new CliFault(
    exitCodes.failed,
    "failed",
    `the new program failed, and version ${now.version} goes on: ${now.began}`,
    "Applications were not touched. See orion status and the agent's log",
  );
}

async function untilSettled(socket: string, before: PingAnswer): Promise<PingAnswer> {
  const deadline = performance.now() + settleWithinMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const now = await askWho(socket);
      if (now.startedAt !== before.startedAt && now.settled) return now;
    } catch (error) {
      // between two daemons nobody answers; a Fault says how it looks from here
      if (!(error instanceof Fault)) throw error;
      last = error;
    }
    await Bun.sleep(lookEveryMs);
  }
  throw last instanceof Fault
    ? last
    : new CliFault(exitCodes.failed, "failed", "the successor did not settle in time", "See the agent's log");
}
