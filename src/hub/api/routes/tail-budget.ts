/**
 * All live tails together take a bounded share of the hub's time: two hundred of them would otherwise each send every line of
 * a busy fleet, and ingest would stand still. Those that are held back fall behind, are taken forward, and are told how many
 * lines they missed. Looking at lines and writing them out are counted apart, so that tails of everything don't take the time
 * of those that wait for one line in a million.
 */

/** Of the time while entries come in, and when none came in for a while. Not all of it then: what comes next must find a way in. */
const shares = { looking: { busy: 0.1, quiet: 0.2 }, writing: { busy: 0.04, quiet: 0.2 } } as const;
/** Without new entries for this long there is nothing to hold back for, in milliseconds. */
const quietMs = 300;
/** What may be saved up, in milliseconds: a page's worth for everybody after a quiet time. */
const most = 100;
/** A debt is not carried further, in milliseconds. */
const mostDebt = 100;
/** When a tail that was held back asks again, in milliseconds. */
export const againMs = 25;

export type Lane = {
  /** Whether a tail may work now. */
  ready(): boolean;
  /** Milliseconds that one worked. */
  spend(ms: number): void;
};

export type TailBudget = {
  readonly looking: Lane;
  readonly writing: Lane;
  /** Whether entries come in just now, which tails hold up. */
  busy(): boolean;
  /** Entries came in. */
  arrived(): void;
};

export function createTailBudget(now: () => number = () => performance.now()): TailBudget {
  let arrivedAt = -Infinity;
  const busy = () => now() - arrivedAt <= quietMs;

  function createLane(share: { readonly busy: number; readonly quiet: number }): Lane {
    let saved = most;
    let at = now();
    return {
      ready() {
        const time = now();
        saved = Math.min(most, saved + (time - at) * (busy() ? share.busy : share.quiet));
        at = time;
        return saved > 0;
      },
      spend(ms) {
        saved = Math.max(-mostDebt, saved - ms);
      },
    };
  }

  return {
    looking: createLane(shares.looking),
    writing: createLane(shares.writing),
    busy,
    arrived() {
      arrivedAt = now();
    },
  };
}
