/** Work in the background of one thread: one job at a time, and others have their turn between its steps. */

/** A step that took this long gives way, in milliseconds. */
const stepMs = 4;

export type Turns = {
  /** Runs `job` when those before it are done. */
  readonly alone: <T>(job: () => Promise<T>) => Promise<T>;
  /** To be awaited between steps: lets what waits for input run when it is time. */
  readonly breathe: () => Promise<void>;
};

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  let began = 0;
  return {
    alone(job) {
      const mine = last.then(job);
      // the next one runs however this one ended; whoever asked for it is told
      last = mine.then(
        () => undefined,
        () => undefined,
      );
      return mine;
    },
    async breathe() {
      if (performance.now() - began < stepMs) return;
      await new Promise<void>((resolve) => void setImmediate(resolve));
      began = performance.now();
    },
  };
}
