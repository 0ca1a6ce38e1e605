/** Time as an argument: wall time for what is written down, monotonic time for what is measured. */

/** Ends a timer; calling it twice does no harm. */
export type Cancel = () => void;

export type Clock = {
  /** wall time, milliseconds since the epoch; may jump */
  now(): number;
  /** milliseconds that never go back */
  monotonic(): number;
  /** calls `run` once, after `delayMs`; 0: as soon as what waits for input has had its turn */
  after(delayMs: number, run: () => void): Cancel;
};

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, run) {
    if (delayMs === 0) {
      // a timer of 0 waits a whole millisecond
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

/** RFC 3339 in UTC with milliseconds. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString();
}
