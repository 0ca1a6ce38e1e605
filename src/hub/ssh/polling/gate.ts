/** A bound on what happens at once, and on how fast it begins; who comes first goes first. */
import type { Clock } from "#src/lib/clock.ts";

export type Gate = {
  /** Waits for a place. Rejects when `signal` is aborted meanwhile. @returns gives the place back */
  readonly enter: (signal: AbortSignal) => Promise<() => void>;
};

export type GateOptions = {
  readonly places: number;
  /** at least so long between two that begin */
  readonly paceMs: number;
  readonly clock: Pick<Clock, "monotonic" | "after">;
};

export function createGate({ places, paceMs, clock }: GateOptions): Gate {
  const waiting = new Set<() => void>();
  let taken = 0;
  let nextAt = Number.NEGATIVE_INFINITY;
  let timer = false;

  function letIn(): void {
    if (timer) return;
    for (const begin of waiting) {
      if (taken >= places) return;
      const delay = nextAt - clock.monotonic();
      if (delay > 0) {
        timer = true;
        clock.after(delay, () => {
          timer = false;
          letIn();
        });
        return;
      }
      nextAt = clock.monotonic() + paceMs;
      taken++;
      waiting.delete(begin);
      begin();
    }
  }

  function leave(): void {
    taken--;
    letIn();
  }

  return {
    async enter(signal) {
      signal.throwIfAborted();
      await new Promise<void>((resolve, reject) => {
        const abort = () => {
          waiting.delete(begin);
          reject(signal.reason);
        };
        const begin = () => {
          signal.removeEventListener("abort", abort);
          resolve();
        };
        signal.addEventListener("abort", abort, { once: true });
        waiting.add(begin);
        letIn();
      });
      return leave;
    },
  };
}
