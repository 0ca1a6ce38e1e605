/**
 * All live tails together take a bounded share of the hub's time: two hundred of them would otherwise each send every line of
 * a busy fleet, and ingest would stand still. Those that are held back fall behind, are taken forward, and are told how many
 * lines they missed.
 */

/** Of the time while entries come in; the rest is for them. */
const busyShare = 0.1;
/** Of the time when nothing came in for a while. Not all of it: what comes next must find a way in. */
const quietShare = 0.5;
/** Without new entries for this long there is nothing to hold back for, in milliseconds. */
const quietMs = 1000;
/** What may be saved up, in milliseconds: a page's worth for everybody after a quiet time. */
const most = 100;
/** A debt is not carried further than a second, in milliseconds. */
const mostDebt = 100;
/** When a tail that was held back asks again, in milliseconds. */
export const againMs = 25;

export type TailBudget = {
  /** Whether a tail may work now. */
  ready(): boolean;
  /** Whether entries come in just now, which tails hold up. */
  busy(): boolean;
  /** Milliseconds that one worked. */
  spend(ms: number): void;
  /** Entries came in. */
  arrived(): void;
};

export function createTailBudget(now: () => number = () => performance.now()): TailBudget {
  let saved = most;
  let at = now();
  let arrivedAt = -Infinity;
  const busy = () => now() - arrivedAt <= quietMs;
  return {
    ready() {
      const time = now();
      saved = Math.min(most, saved + (time - at) * (busy() ? busyShare : quietShare));
      at = time;
      return saved > 0;
    },
    busy,
    spend(ms) {
      saved = Math.max(-mostDebt, saved - ms);
    },
    arrived() {
      arrivedAt = now();
    },
  };
}
