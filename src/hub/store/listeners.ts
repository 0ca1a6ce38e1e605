/** A list of those who want to be told. */
import type { Cancel } from "#src/lib/clock.ts";

export type Listeners<Told extends readonly unknown[] = []> = {
  readonly add: (listener: (...told: Told) => void) => Cancel;
  readonly tell: (...told: Told) => void;
};

/** With `onFailure`, a listener that throws keeps none of the others from being told. */
export function createListeners<Told extends readonly unknown[] = []>(
  onFailure?: (error: unknown) => void,
): Listeners<Told> {
  const all = new Set<(...told: Told) => void>();
  return {
    add(listener) {
      all.add(listener);
      return () => void all.delete(listener);
    },
    tell(...told) {
      for (const listener of all) {
        try {
          listener(...told);
        } catch (error) {
          if (onFailure === undefined) throw error;
          onFailure(error);
        }
      }
    },
  };
}
