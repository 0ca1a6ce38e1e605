/**
 * All live tails together take a bounded share of the hub's time while entries come in: two hundred of them would
 * otherwise each look at every line of a busy fleet, and ingest would stand still. Those that are held back fall behind,
 * are taken forward, and are told what they missed.
 */

/** Of the time; the rest is for what comes in. */
const share = 0.1;
/** What may be saved up, in milliseconds: a page's worth for everybody after a quiet time. */
const most = 100;
/** Without new entries for this long there is nothing to hold back for, in milliseconds. */
const quietMs = 1000;
/** When a tail that was held back asks again, in milliseconds. */
export const againMs = 25;

export type TailBudget = {
  /** Whether a tail may work now. */
  ready(): boolean;
  /** Milliseconds that one worked. */
  spend(ms: number): void;
  /** Entries came in. */
  arrived(): void;
};

export function createTailBudget(now: () => number = () => performance.now()): TailBudget {
  let saved = most;
  let at = now();
  let arrivedAt = -Infinity;
  return {
    ready() {
      const time = now();
      saved = Math.min(most, saved + (time - at) * share);
      at = time;
      return saved > 0 || time - arrivedAt > quietMs;
    },
    spend(ms) {
      // a debt is not carried further than a second
      saved = Math.max(-1000 * share, saved - ms);
    },
    arrived() {
      arrivedAt = now();
    },
  };
}
