/** An authenticator's code is good once (RFC 6238 section 5.2), though it would be right for a minute and a half. */
import type { Clock } from "#src/lib/clock.ts";

/** A code is accepted in its own 30 seconds, and in those before and after. */
const goodForMs = 90_000;
/** People who sign in within one and a half minutes. */
const maxKept = 10_000;

export type UsedCodes = {
  /** False: this person's code was used already. */
  take(personId: string, code: string): boolean;
};

export function createUsedCodes(clock: Pick<Clock, "monotonic">): UsedCodes {
  /** when each was used, oldest first */
  const used = new Map<string, number>();
  return {
    take(personId, code) {
      const now = clock.monotonic();
      for (const [key, at] of used) {
        if (at > now - goodForMs && used.size < maxKept) break;
        used.delete(key);
      }
      const key = `${personId} ${code}`;
      if (used.has(key)) return false;
      used.set(key, now);
      return true;
    },
  };
}
