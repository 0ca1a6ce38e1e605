/** Connecting to the daemon's socket. */
import { errnoOf } from "#src/protocol/fault.ts";

import { unreachable } from "./daemon-faults.ts";

/** While a daemon is replaced in place, its socket is away for some tens of milliseconds; a loaded machine takes longer. */
const replacedWithinMs = 5000;
const againAfterMs = 10;

/** What a successor would not change. */
const never: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EINVAL", "ENAMETOOLONG", "ENOTDIR"]);

/** @throws {CliFault} with exit code 3 when nobody listens, saying why and what to do */
export async function openSocket(path: string, socket: Bun.SocketHandler<undefined>): Promise<Bun.Socket> {
  const begun = performance.now();
  for (;;) {
    try {
      return await Bun.connect({ unix: path, socket });
    } catch (error) {
      const errno = errnoOf(error);
      const away = errno === undefined || !never.has(errno);
      if (!away || performance.now() - begun > replacedWithinMs || !(await isBeingReplaced(path))) {
        throw await unreachable(path, error);
      }
    }
    await Bun.sleep(againAfterMs);
  }
}

/** A daemon that is about to be replaced leaves this note for its successor, who takes it away. */
async function isBeingReplaced(socketPath: string): Promise<boolean> {
  return await Bun.file(socketPath.replace(/[^/]*$/, "handover.json")).exists();
}
