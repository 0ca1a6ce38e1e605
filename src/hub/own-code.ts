/** The program's own code out of memory: what only the start needed is not held for ever. */
import type { Clock } from "#src/lib/clock.ts";
import { releaseOwnCode } from "#src/lib/own-memory.ts";
import { reasonOf } from "#src/protocol/fault.ts";

/** Behind the start, when all that goes on with it has begun. */
const afterMs = 10_000;

/** Gives the pages of its code back once, soon; those that are used come back by themselves. @returns what calls it off */
export function releaseCodeSoon(clock: Clock, log: { debug(message: string): void }): () => void {
  return clock.after(afterMs, () => {
    try {
      log.debug(`${releaseOwnCode()} bytes of code given back`);
    } catch (error) {
      log.debug(`memory that the start took can't be given back: ${reasonOf(error)}`);
    }
  });
}
