/**
 * How long frames wait for others of their stream: a write costs much the same for one line as for a hundred, so with
 * very many frames a second a moment of patience saves half of the work. With few, nothing waits.
 */

/** Frames a second of all streams below which each is stored as it comes. */
const calmFrames = 2000;
/** Waiting grows with the frames, by a millisecond for so many a second … */
const framesPerMs = 50;
/** … up to this: what is followed live should still look live. */
const maxGatherMs = 250;
/** How often the rate is taken. */
const everyMs = 1000;

export type Pace = {
  /** A frame has come. */
  readonly count: () => void;
  /** Milliseconds; 0: none. */
  readonly gatherMs: () => number;
};

export function createPace(monotonic: () => number): Pace {
  let sinceMs = monotonic();
  let frames = 0;
  let waitMs = 0;
  return {
    count() {
      frames++;
      const passed = monotonic() - sinceMs;
      if (passed < everyMs) return;
      const rate = (frames * 1000) / passed;
      waitMs = rate < calmFrames ? 0 : Math.min(maxGatherMs, rate / framesPerMs);
      sinceMs += passed;
      frames = 0;
    },
    gatherMs: () => waitMs,
  };
}
