/** From the log to events: what is read goes through an assembly, and each event is handed on once. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { ErrorEvent } from "./event.ts";
import { createFollower } from "./follow.ts";
import { type Resume, createProgress } from "./follow-resume.ts";
import type { ArrivalLog, MakeAssembly } from "./port.ts";

/** How often it is asked whether an event has been quiet for long enough, while one is open. */
const advanceEveryMs = 200;
/** Trouble that stays is said again only after this long. */
const sayEveryMs = 60_000;

export type ReadingWorld = {
  readonly log: ArrivalLog;
  readonly clock: Clock;
  /** CPU time of this thread so far, in milliseconds. */
  readonly workedMs: () => number;
  readonly makeAssembly: MakeAssembly;
  /** Counts an event. When it throws, the event comes again. */
  readonly count: (event: ErrorEvent) => void;
  /** Whether there is room for more; may make some. */
  readonly ready: () => boolean;
  /** After lines or time have passed, and again while an event is open or `unsaved` is true. */
  readonly progressed: () => void;
  readonly unsaved: () => boolean;
  readonly caughtUp?: () => void;
  readonly warn: (message: string) => void;
};

export type Place = { readonly position: number; readonly open: readonly number[] };

export type Reading = {
  readonly start: () => void;
  readonly stop: () => void;
  readonly position: () => number;
  /** Counts what has been told and not yet counted. */
  readonly countTold: () => void;
  /** Up to where it has read, and where the events begin that it has not counted yet. */
  readonly place: () => Place;
  /** Ends what another reading of the same lines has ended by the clock. */
  readonly endAs: (other: Place) => void;
  /** Where reading goes on after a restart, given up to where agents' events are done with. */
  readonly save: (events: number) => Resume;
};

/** @param from where an earlier one was; null: it begins with what comes */
export function createReading(world: ReadingWorld, from: Resume | null): Reading {
  const { log, clock, workedMs, warn } = world;
  const shouldSay = createSeldom(clock, sayEveryMs);
  const progress = createProgress(from, log.head());
  // events that are told and not yet counted; empty but for a store that fails
  let told: ErrorEvent[] = [];
  let cancelTick: Cancel | undefined;
  let running = false;

  const assembly = world.makeAssembly((event) => void told.push(event));
  const follower = createFollower(
    {
      log,
      clock,
      workedMs,
      take(arrived) {
        try {
          assembly.add(arrived);
        } catch (error) {
          // these lines would fail again and again
          const { firstPosition, columns } = arrived;
          warn(`${columns.count} lines from ${firstPosition} on could not be searched for errors: ${reasonOf(error)}`);
        }
        countTold();
        world.progressed();
        tick();
      },
      ready() {
        if (told.length > 0) countTold();
        return told.length === 0 && world.ready();
      },
      failed(error) {
        // a store that is away is asked each second
        if (shouldSay("failed")) warn(`can't follow the log for errors, it is tried again: ${reasonOf(error)}`);
      },
      ...(world.caughtUp === undefined ? {} : { caughtUp: world.caughtUp }),
    },
    progress.readAfter,
  );

  function countTold(): void {
    let done = 0;
    try {
      for (const event of told) {
        if (!progress.isCounted(event)) {
          world.count(event);
          progress.count(event);
        }
        done++;
      }
    } catch (error) {
      warn(`can't count errors, it is tried again: ${reasonOf(error)}`);
    }
    told = done === told.length ? [] : told.slice(done);
  }

  function tick(): void {
    if (cancelTick !== undefined || !running) return;
    cancelTick = clock.after(advanceEveryMs, () => {
      cancelTick = undefined;
      // lines that are read late are not late by the clock
      if (follower.live()) assembly.advance(clock.now());
      countTold();
      world.progressed();
      if (assembly.openFrom() !== null || told.length > 0 || world.unsaved()) tick();
    });
  }

  return {
    start() {
      running = true;
      follower.start();
    },
    stop() {
      running = false;
      follower.stop();
      cancelTick?.();
    },
    position: follower.position,
    countTold,
    place: () => ({
      position: follower.position(),
      // one that was counted before a restart may be open again
      open: assembly.openAt().filter((position) => !progress.isCountedAt(position)),
    }),
    endAs({ position, open }) {
      assembly.endOthers(new Set(open), position);
      countTold();
    },
    save(events) {
      const open = assembly.openFrom();
      const waiting = told[0]?.firstPosition ?? null;
      const first = open === null ? waiting : Math.min(open, waiting ?? open);
      return progress.save(follower.position(), first, events);
    },
  };
}
