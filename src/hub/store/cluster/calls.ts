/** Listeners that are told of something. One that fails does not keep it from the others. */
import type { Cancel } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";

export type Calls<T> = {
  readonly add: (listener: (what: T) => void) => Cancel;
  readonly call: (what: T) => void;
};

export function createCalls<T>(log: { warn(message: string): void }): Calls<T> {
  const listeners = new Set<{ readonly hear: (what: T) => void }>();
  return {
    add(hear) {
      const listener = { hear };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    call(what) {
      for (const { hear } of listeners) {
        try {
          hear(what);
        } catch (error) {
          log.warn(`what another hub told was not taken: ${reasonOf(error)}`);
        }
      }
    },
  };
}
