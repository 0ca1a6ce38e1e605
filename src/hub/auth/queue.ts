/** One after the other: what reads and then writes must not be overtaken in between. */
export type Queue = { run<T>(work: () => Promise<T>): Promise<T> };

export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(work) {
      const result = last.then(work);
      // the one who asked hears of a failure; the next in line only waits for its end
      last = result.then(undefined, () => undefined);
      return result;
    },
  };
}
