/** The time during which this hub could have heard of a report to any hub. */
import type { Clock } from "#src/lib/clock.ts";

/**
 * Milliseconds that never go back and that stand still while nothing is heard from the other hubs: silence means something
 * only to who listens. To be asked at least every few seconds, since what was at one look counts for the time before it.
 */
export function createListening(clock: Pick<Clock, "monotonic">, hears: () => boolean): () => number {
  let lookedAt = clock.monotonic();
  let deafMs = 0;
  return () => {
    const now = clock.monotonic();
    if (!hears()) deafMs += now - lookedAt;
    lookedAt = now;
    return now - deafMs;
  };
}
