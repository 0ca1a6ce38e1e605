/** Reads crashes among what agents tell, and joins them to the errors that led to them. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type Crashes, type Join, createCrashes } from "./crash.ts";
import type { EventLog } from "./port.ts";

/** Events of agents that are looked at in one go. */
const eventsAtOnce = 500;
/** After a failure, unless another event comes first. */
const againAfterMs = 2000;

export type CrashReadingWorld = {
  readonly events: EventLog;
  readonly clock: Clock;
  /** Something may have to be joined: `joined` is to be called soon. */
  readonly wanted: () => void;
  readonly warn: (message: string) => void;
};

export type CrashReading = Pick<Crashes, "error"> & {
  readonly start: () => void;
  readonly stop: () => void;
  /** What has been found to belong together since the last call. */
  readonly joined: () => readonly Join[];
  /** Up to where agents' events need not be read again. */
  readonly done: () => number;
};

/** @param after position of the last event that is done with; undefined: it begins with what comes */
export function createCrashReading(world: CrashReadingWorld, after: number | undefined): CrashReading {
  const { events, clock, wanted, warn } = world;
  const crashes = createCrashes();
  let position = after ?? events.eventsHead();
  let placed = after === undefined;
  let cancelEvents: Cancel | undefined;
  let cancelAgain: Cancel | undefined;
  let cancelRetry: Cancel | undefined;
  let running = false;
  let reading = false;
  // there may be more than what is being read
  let more = false;

  function onEvents(): void {
    more = true;
    if (!running || reading) return;
    reading = true;
    cancelRetry?.();
    keep(read(), (error) => {
      warn(`can't read events, it is tried again soon: ${reasonOf(error)}`);
      if (running) cancelRetry = clock.after(againAfterMs, onEvents);
    });
  }

  const hasMore = () => more && running;

  async function read(): Promise<void> {
    try {
      while (hasMore()) {
        more = false;
        // a store that was brought back from a backup may end before what was read of the old one
        if (!placed) position = Math.min(position, await events.refreshEvents());
        placed = true;
        const fresh = await events.eventsAfter(position, eventsAtOnce);
        if (!running) return;
        for (const stored of fresh) {
          crashes.event(stored, clock.monotonic());
          position = Number(stored.id);
        }
        if (fresh.length === eventsAtOnce) more = true;
        if (fresh.length > 0) wanted();
      }
    } finally {
      reading = false;
    }
  }

  function askAgain(nowMs: number): void {
    const dueMs = crashes.settlesAt(nowMs);
    if (dueMs === null || cancelAgain !== undefined || !running) return;
    cancelAgain = clock.after(dueMs - nowMs, () => {
      cancelAgain = undefined;
      wanted();
    });
  }

  return {
    error: crashes.error,
    start() {
      running = true;
      cancelEvents = events.onEvent(onEvents);
      onEvents();
    },
    stop() {
      running = false;
      cancelEvents?.();
      cancelAgain?.();
      cancelRetry?.();
    },
    joined() {
      const nowMs = clock.monotonic();
      const joins = crashes.joined(nowMs);
      askAgain(nowMs);
      return joins;
    },
    done: () => (crashes.waitsFrom() ?? position + 1) - 1,
  };
}
