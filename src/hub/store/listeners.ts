/** A list of those who want to be told. */
import type { Cancel } from "#src/lib/clock.ts";

export type Listeners = { readonly add: (listener: () => void) => Cancel; readonly tell: () => void };

export function createListeners(): Listeners {
  const all = new Set<() => void>();
  return {
    add(listener) {
      all.add(listener);
      return () => void all.delete(listener);
    },
    tell() {
      for (const listener of all) listener();
    },
  };
}
