/** Searches take turns, so that a crowd of them neither starves the hub nor waits without end. */
import { HttpFault, retryAfterSeconds } from "../problem.ts";

/** Searches that run at the same time, and that wait for that. */
const maxRunning = 8;
const maxWaiting = 100;

export type Turns = {
  /** Resolves when it is the caller's turn, with what ends it. Rejects with HttpFault 503 when too many wait. */
  take(): Promise<() => void>;
};

export function createTurns(most = maxRunning, waitingMost = maxWaiting): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async take() {
      if (running >= most) {
        if (waiting.length >= waitingMost) {
          const headers = { "retry-after": String(retryAfterSeconds) };
          throw new HttpFault(503, "too many searches wait for their turn", headers);
        }
        // the turn is handed on, so that nobody who comes in between takes it
        await new Promise<void>((resolve) => void waiting.push(resolve));
      } else running++;
      let over = false;
      return () => {
        if (over) return;
        over = true;
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      };
    },
  };
}
