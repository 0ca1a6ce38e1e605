/** A lane for work that costs much memory: so many at a time, so many waiting, and the rest is told to come back. */
import { Fault } from "#src/protocol/fault.ts";

/** scrypt takes 32 MiB and a core's thread for each password (N 16384, r 16). */
const maxAtOnce = 4;
/** At 20 a second, the last of them waits for five seconds. */
const maxWaiting = 100;

export type Lane = { run<T>(work: () => Promise<T>): Promise<T> };

export function createLane(): Lane {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (running >= maxAtOnce) {
        if (waiting.length >= maxWaiting) {
          throw new Fault("unavailable", "too many people sign in at this moment", {
            hint: "Try again in a few seconds",
          });
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      } else running++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        // the place is handed on
        if (next === undefined) running--;
        else next();
      }
    },
  };
}
