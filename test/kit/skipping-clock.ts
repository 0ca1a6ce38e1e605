/** The clock of this machine, with which a test can jump ahead: what falls due on the way happens at once. */
import { type Clock, systemClock } from "#src/lib/clock.ts";

export type SkippingClock = Clock & {
  /** Jumps `ms` ahead. */
  skip(ms: number): void;
};

type Timer = { readonly at: number; readonly run: () => void; cancel: () => void };

export function createSkippingClock(): SkippingClock {
  let skipped = 0;
  const timers = new Set<Timer>();
  const monotonic = () => systemClock.monotonic() + skipped;

  function arm(timer: Timer): void {
    timer.cancel = systemClock.after(Math.max(0, timer.at - monotonic()), () => {
      timers.delete(timer);
      timer.run();
    });
  }

  return {
    now: () => systemClock.now() + skipped,
    monotonic,
    after(delayMs, run) {
      const timer: Timer = { at: monotonic() + delayMs, run, cancel: () => undefined };
      timers.add(timer);
      arm(timer);
      return () => {
        timer.cancel();
        timers.delete(timer);
      };
    },
    skip(ms) {
      skipped += ms;
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
        timer.cancel();
        arm(timer);
      }
    },
  };
}
