/**
 * Group commit on Postgres: one transaction at a time, of all writes that came while the one before was on its way.
 *
 *   | a transaction          | its writes                         | next                                              |
 *   | ---------------------- | ---------------------------------- | ------------------------------------------------- |
 *   | committed              | resolve                            | the next writes                                   |
 *   | collided with another  | wait                               | again, at once                                    |
 *   | refused                | reject when alone, else wait       | each for itself                                   |
 *   | kept waiting by others | reject as `unavailable`            | the next writes                                   |
 *   | lost before its commit | wait; `unavailable` when it's time | again, as soon as the database is there           |
 *   | in doubt               | wait; `unavailable` when it's time | ask; committed: they resolve, otherwise again     |
 *   | … and they rejected    | -                                  | ask before anything else; committed: `surprised`  |
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Staged } from "../commits.ts";
import type { WriteOptions, Writing } from "../state-database.ts";
import type { Work } from "../statement.ts";
import { isCollision } from "./faults.ts";
import { stateFault } from "./state-faults.ts";
import { InDoubt, type Task, type Transactions, isPassing } from "./transactions.ts";

/** Between two attempts, and between two looks at what waits. */
const [retryMs, sweepMs] = [100, 500];
/** More would keep the lists' rows from other hubs for too long. */
const [mostTogether, enoughBytes] = [500, 1024 * 1024];
/** Writes that wait; further ones are refused. */
const mostWaiting = 20_000;
const mostCollisions = 20;

type Job = Task & {
  readonly light: boolean;
  readonly bytes: number;
  readonly untilMs: number;
  readonly done: (value: never) => void;
  readonly failed: (error: unknown) => void;
};

export type PostgresCommits = {
  readonly write: <T>(work: (writing: Writing) => Work<T>, options?: WriteOptions) => Promise<T>;
  readonly writeLightly: <T>(work: (writing: Writing) => Work<T>) => Promise<T>;
  /** Resolves once everything that waits is written, or was rejected. */
  readonly close: () => Promise<void>;
};

export type PostgresCommitsWorld = {
  readonly transactions: Transactions;
  readonly clock: Clock;
  readonly staged: Staged;
  /** A write waits this long for a database that is away, or for others before it; beyond it only for what is under way. */
  readonly patienceMs: number;
  /** something was committed that had been rejected as `unavailable` */
  readonly surprised: () => void;
  readonly warn: (message: string) => void;
  /** aborted when the database is not waited for any more */
  readonly givenUp?: AbortSignal;
};

export function createPostgresCommits(world: PostgresCommitsWorld): PostgresCommits {
  const { transactions, clock, staged, patienceMs, surprised, warn } = world;
  let waiting: Job[] = [];
  let running: Promise<void> | undefined;
  let inDoubt = false;
  let closed = false;
  const mayWait = () => world.givenUp?.aborted !== true;

  const hasWork = () => waiting.length > 0 || (inDoubt && !closed);
  const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));

  function add<T>(work: (writing: Writing) => Work<T>, light: boolean, options: WriteOptions = {}): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (closed || waiting.length >= mostWaiting) {
      reject(new Fault("unavailable", closed ? "the store is closed" : "too many writes wait for the database"));
      return promise;
    }
    const { counts = false, bytes = 0 } = options;
    const untilMs = clock.monotonic() + patienceMs;
    const done = resolve as (value: never) => void;
    waiting.push({ work, light, counts, bytes, untilMs, value: undefined, done, failed: reject });
    if (running === undefined) {
      running = pump();
      keep(running, (error) => warn(`the writer of the state broke off: ${reasonOf(error)}`));
    }
    return promise;
  }

  async function pump(): Promise<void> {
    let cancelSweep: Cancel = clock.after(sweepMs, sweep);
    function sweep(): void {
      refuseLate();
      cancelSweep = clock.after(sweepMs, sweep);
    }
    try {
      // whoever writes at the same moment comes along
      await sleep(0);
      while (hasWork()) {
        const group = takeGroup();
        if (group.length > 0) await settle(group);
        else await clearUp();
      }
    } finally {
      cancelSweep();
      running = undefined;
    }
  }

  /** What was not begun in time is refused, while it is known that nothing of it was done. */
  function refuseLate(): void {
    const nowMs = clock.monotonic();
    const late = waiting.filter(({ untilMs }) => untilMs < nowMs);
    if (late.length === 0) return;
    waiting = waiting.filter(({ untilMs }) => untilMs >= nowMs);
    const fault = new Fault("unavailable", "the database takes too long, or is away", {
      hint: "Try again in a moment; if it stays, see the log of PostgreSQL",
    });
    for (const job of late) job.failed(fault);
  }

  /** What goes into one transaction, in the order in which it came. */
  function takeGroup(): Job[] {
    const [first] = waiting;
    if (first === undefined) return [];
    let count = 0;
    let bytes = 0;
    for (const job of waiting) {
      if (job.light !== first.light || count >= mostTogether || bytes >= enoughBytes) break;
      bytes += job.bytes;
      count++;
    }
    return waiting.splice(0, count);
  }

  /** Nobody waits any more for what is in doubt, but what is kept in memory may have to be read again. */
  async function clearUp(): Promise<void> {
    try {
      if (await askAgain()) surprised();
    } catch (error) {
      if (!isPassing(error)) warn(`whether a write was done can't be told: ${reasonOf(error)}`);
      await sleep(sweepMs);
    }
  }

  async function askAgain(): Promise<boolean> {
    const was = await transactions.wasCommitted();
    inDoubt = false;
    return was;
  }

  /** Resolves once each of these is done or has failed. */
  async function settle(group: readonly Job[]): Promise<void> {
    const problem = await attempt(group);
    if (problem === null) {
      for (const job of group) job.done(job.value as never);
      try {
        staged.commit();
      } catch (error) {
        warn(`who follows what was written failed: ${reasonOf(error)}`);
      }
      return;
    }
    const fault = stateFault(problem.error);
    // a statement that waited in vain for a lock was nobody's fault, and each for itself would wait as long again
    const together = fault.code === "unavailable" && !isCollision(problem.error);
    if (group.length === 1 || together) for (const job of group) job.failed(fault);
    // one bad write must not take its neighbours with it
    else for (const job of group) await settle([job]);
  }

  /** Does all of these, as often as it takes and for as long as they wait. @returns why it could not; null: it is done */
  async function attempt(group: readonly Job[]): Promise<{ readonly error: unknown } | null> {
    const untilMs = Math.max(...group.map((job) => job.untilMs));
    const light = group[0]?.light === true;
    let collisions = 0;
    let isOurs = false;
    for (;;) {
      try {
        if (inDoubt && (await askAgain())) {
          if (isOurs) return null;
          surprised();
        }
        isOurs = false;
        await transactions.run(group, light);
        return null;
      } catch (error) {
        staged.rollback();
        if (error instanceof InDoubt) inDoubt = isOurs = true;
        else if (isCollision(error) && ++collisions < mostCollisions) await sleep(Math.random() * 10 * collisions);
        // getting no connection may have taken all of the time
        else if (isPassing(error) && mayWait() && clock.monotonic() + retryMs < untilMs) await sleep(retryMs);
        else return { error };
      }
    }
  }

  return {
    write: (work, options) => add(work, false, options),
    writeLightly: (work) => add(work, true),
    async close() {
      closed = true;
      await running;
    },
  };
}
