/** Work that is done one at a time: asked for while it is being done, it is done once more. */
import { keep } from "#src/lib/keep.ts";

export type Turn = {
  readonly ask: () => void;
  /** Resolves once nothing is being done any more. */
  readonly done: () => Promise<void>;
};

export function createTurn(work: () => Promise<void>, failed: (error: unknown) => void): Turn {
  let running: Promise<void> | undefined;
  let again = false;

  async function run(): Promise<void> {
    do {
      again = false;
      try {
        await work();
      } catch (error) {
        failed(error);
      }
    } while (again);
    running = undefined;
  }

  return {
    ask() {
      again = true;
      if (running !== undefined) return;
      running = run();
      keep(running, failed);
    },
    async done() {
      await running;
    },
  };
}
