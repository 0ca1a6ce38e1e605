/** Saying a thing that keeps happening, but not each time. */
import type { Clock } from "./clock.ts";

/** Texts that are remembered at most; beyond that the oldest is forgotten, and so said again early. */
const mostTexts = 100;

/** Answers whether a text should be said now: the first time, and then once in `everyMs`. */
export function createSeldom(clock: Pick<Clock, "monotonic">, everyMs: number): (text: string) => boolean {
  const nextAt = new Map<string, number>();
  return (text) => {
    const now = clock.monotonic();
    if (now < (nextAt.get(text) ?? Number.NEGATIVE_INFINITY)) return false;
    nextAt.delete(text);
    nextAt.set(text, now + everyMs);
    if (nextAt.size > mostTexts) for (const oldest of nextAt.keys()) return nextAt.delete(oldest);
    return true;
  };
}
