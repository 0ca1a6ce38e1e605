/** Parts that start in order and stop in reverse, whatever happens in between. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import type { Kept } from "./succession/door.ts";

export type StopOptions = {
  /** why, for the hub and the log */
  readonly reason: string;
  /** leave the scripts running for the next agent */
  readonly keep: boolean;
  /** set when a successor takes this process over: the descriptors that stay open for it are put here */
  readonly kept?: Kept;
};

/** One part: how it starts, and how that is undone, also when the start got only half way. */
export type Part = {
  readonly start: () => void | Promise<void>;
  readonly stop: (options: StopOptions) => void | Promise<void>;
};

export type Life = {
  /** Starts every part. When one fails, those before it are stopped again (scripts are kept), and its error is thrown. */
  start(): Promise<void>;
  /** Stops what was started, also in the middle of the start. Never rejects: what fails to stop is logged. */
  stop(options: StopOptions): Promise<void>;
};

/** The life of `parts`. */
export function createLife(log: { error(message: string): void }, parts: readonly Part[]): Life {
  const started: Part[] = [];
  let wanted = false;
  let starting: Promise<void> | undefined;

  async function startAll(): Promise<void> {
    for (const part of parts) {
      // asked to stop meanwhile: whoever asked stops what is started already
      if (!wanted) return;
      started.push(part);
      await part.start();
    }
  }

  async function stopAll(options: StopOptions): Promise<void> {
    for (let part = started.pop(); part !== undefined; part = started.pop()) {
      try {
        await part.stop(options);
      } catch (error) {
        log.error(`a part of the agent did not stop: ${reasonOf(error)}`);
      }
    }
  }

  return {
    async start() {
      if (wanted) throw new Fault("conflict", "the agent is already started");
      wanted = true;
      starting = startAll();
      try {
        await starting;
      } catch (error) {
        wanted = false;
        await stopAll({ reason: `failed start: ${reasonOf(error)}`, keep: true });
        throw error;
      }
    },
    async stop(options) {
      wanted = false;
      // a start that fails says so to its own caller
      await starting?.catch(() => undefined);
      await stopAll(options);
    },
  };
}
