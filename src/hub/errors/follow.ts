/**
 * Follows the log in the order of arrival: batches as they become durable, and what is stored when it has fallen behind.
 * Whoever stores lines never waits for it: where the lines that arrive cost too much of the time there is, they are left
 * where they are, and read later at a pace that leaves most of the time to others.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { ArrivalLog } from "./port.ts";

/**
 * The share of the time that lines may take as they arrive, and how much of it may be used ahead, in milliseconds: the
 * first thousand events take half a second, until their code is compiled. Reading them later costs more than that.
 */
const liveShare = 0.25;
const liveAheadMs = 1500;
/** Work without a pause while it catches up, in milliseconds, and how much longer the pause is. */
const sliceMs = 8;
const restShare = 3;
/** After a failure it goes on this much later. */
const retryMs = 1000;

export type FollowWorld = {
  readonly log: ArrivalLog;
  readonly clock: Clock;
  /** What the work of this thread has taken so far, in milliseconds: without that of others who use the machine. */
  readonly workedMs: () => number;
  /** Takes lines. When it throws, the same lines come again. */
  readonly take: (arrived: Arrived) => void;
  /** Whether more lines may come; asked before each batch. */
  readonly ready: () => boolean;
  /** Everything that was there has been read; called each time. */
  readonly caughtUp?: () => void;
  readonly failed: (error: unknown) => void;
};

export type Follower = {
  readonly start: () => void;
  readonly stop: () => void;
  /** Everything up to it has been taken. */
  readonly position: () => number;
  /** false: it reads stored lines */
  readonly live: () => boolean;
};

/** Follows from behind `after`. */
export function createFollower(world: FollowWorld, after: number): Follower {
  const { log, clock, workedMs, take, ready, failed } = world;
  // a store that was brought back from a backup may end before what we have seen of the old one
  let position = Math.min(after, log.head());
  let live = false;
  const life = { stopped: false };
  let cancelArrivals: Cancel | undefined;
  let cancelPause: (() => void) | undefined;
  let spentMs = 0;
  let since = clock.monotonic();

  function onArrival(arrived: Arrived): void {
    if (!live || life.stopped) return;
    const last = arrived.firstPosition + arrived.columns.count - 1;
    if (last <= position) return;
    if (arrived.firstPosition !== position + 1 || !ready() || isTooMuch()) {
      fallBehind();
      return;
    }
    const started = workedMs();
    try {
      take(arrived);
      position = last;
    } catch (error) {
      failed(error);
      fallBehind();
    }
    spentMs += workedMs() - started;
  }

  function isTooMuch(): boolean {
    const now = clock.monotonic();
    spentMs = Math.max(0, spentMs - (now - since) * liveShare);
    since = now;
    return spentMs > liveAheadMs;
  }

  function fallBehind(): void {
    live = false;
    keep(catchUp(), failed);
  }

  async function catchUp(): Promise<void> {
    while (!life.stopped) {
      const head = log.head();
      if (position >= head) {
        live = true;
        spentMs = 0;
        since = clock.monotonic();
        world.caughtUp?.();
        return;
      }
      try {
        await read(head);
      } catch (error) {
        failed(error);
        await pause(retryMs);
      }
    }
  }

  /** Takes what is stored up to `head`. */
  async function read(head: number): Promise<void> {
    let started = clock.monotonic();
    for await (const arrived of log.arrivalsAfter(position, head)) {
      while (!life.stopped && !ready()) await pause(retryMs);
      if (life.stopped) return;
      take(arrived);
      position = Math.max(position, arrived.firstPosition + arrived.columns.count - 1);
      const tookMs = clock.monotonic() - started;
      if (tookMs < sliceMs) continue;
      await pause(tookMs * restShare);
      started = clock.monotonic();
    }
    // what is no longer there at the end
    position = Math.max(position, head);
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      cancelPause = () => {
        cancel();
        resolve();
      };
    });
  }

  return {
    start() {
      cancelArrivals = log.onArrival(onArrival);
      fallBehind();
    },
    stop() {
      life.stopped = true;
      live = false;
      cancelArrivals?.();
      cancelPause?.();
    },
    position: () => position,
    live: () => live,
  };
}
