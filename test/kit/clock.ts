/** A clock that only goes on when a test says so. */
import type { Clock } from "#src/lib/clock.ts";

export type TestClock = Clock & {
  /** Lets `ms` pass, running what falls due in order. */
  advance(ms: number): void;
  /** Timers that wait. */
  waiting(): number;
};

/** A clock that stands at `startMs`. */
export function createTestClock(startMs = Date.parse("2026-01-01T00:00:00.000Z")): TestClock {
  let now = 0;
  let timers: { readonly at: number; readonly run: () => void }[] = [];
  return {
    now: () => startMs + now,
    monotonic: () => now,
    after(delayMs, run) {
      const timer = { at: now + delayMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const due = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        now = Math.max(now, due.at);
        due.run();
      }
      now = end;
    },
    waiting: () => timers.length,
  };
}
