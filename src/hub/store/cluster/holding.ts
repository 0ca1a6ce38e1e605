/** One duty in one hub: begun and ended in turn, never twice at once. */
import { reasonOf } from "#src/protocol/fault.ts";
import type { Duty } from "./port.ts";

export type Holding = {
  /** Whether it is begun or being begun, or not ended yet. */
  readonly busy: () => boolean;
  /** Begins it. `ended`: it was taken away again meanwhile. */
  readonly begin: () => Promise<"begun" | "failed" | "ended">;
  /** Ends it, waiting for its beginning if that is under way. */
  readonly end: () => Promise<void>;
};

export function createHolding(name: string, duty: Duty, log: { warn(message: string): void }): Holding {
  let beginning: Promise<boolean> | undefined;
  let ending: Promise<void> | undefined;

  async function tryToBegin(): Promise<boolean> {
    try {
      await duty.begin();
      return true;
    } catch (error) {
      log.warn(`the duty "${name}" could not be begun, it is tried again: ${reasonOf(error)}`);
      return false;
    }
  }

  async function end(begun: Promise<boolean>): Promise<void> {
    if (await begun) {
      try {
        await duty.end();
      } catch (error) {
        log.warn(`the duty "${name}" did not end as it should: ${reasonOf(error)}`);
      }
    }
    beginning = undefined;
    ending = undefined;
  }

  return {
    busy: () => beginning !== undefined,
    async begin() {
      if (beginning !== undefined) return "ended";
      beginning = tryToBegin();
      const begun = await beginning;
      if (ending !== undefined) return begun ? "ended" : "failed";
      if (!begun) beginning = undefined;
      return begun ? "begun" : "failed";
    },
    async end() {
      if (beginning === undefined) return;
      ending ??= end(beginning);
      await ending;
    },
  };
}
