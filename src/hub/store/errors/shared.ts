/**
 * Error groups of several hubs. One of them groups (it has its turn) and writes what it does to a log in Postgres; each has
 * a copy of its own, which follows the log, and answers from it. What a hub asks of the one that groups goes through
 * Postgres as well.
 *
 * | killed after | then |
 * | --- | --- |
 * | it was done to the hub's own copy | the log does not have it: the copy is thrown away, the next turn counts it |
 * | it was added to the log | all have it: `resume` is part of it, so that the next turn goes on behind it |
 * | another turn began | nothing can be added: see `ErrorLog.add` |
 */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Cluster } from "../cluster/port.ts";
import { createTurn as createOnce } from "../cluster/turn.ts";
import { type Postgres, faultOf } from "../postgres/connection.ts";
import type { SharedErrorStore, SharedTurn } from "./port.ts";
import { type Copying, openCopying } from "./shared-copying.ts";
import { createDoor } from "./shared-door.ts";
import { createErrorLog } from "./shared-log.ts";
import { type Answered, createRequests } from "./shared-requests.ts";
import { saveSnapshot } from "./shared-snapshot.ts";
import { createSnapshots } from "./shared-snapshots.ts";
import type { ErrorLogTables } from "./shared-tables.ts";
import { type Turn, createTurn } from "./shared-turn.ts";

const sayEveryMs = 60_000;
/** What waits for Postgres at the end of a turn has so long to get there. */
const endMs = 3000;

export type SharedErrorsWorld = {
  readonly dataDir: string;
  readonly postgres: Pick<Postgres, "queries" | "patient" | "givenUp">;
  readonly cluster: Pick<Cluster, "signal" | "onSignal">;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** for tests: bytes of log after which a snapshot is made */
  readonly snapshotBytes?: number;
};

/** Opens this hub's copy and brings it up to date. Rejects with a Fault when it can't. */
export async function openSharedErrorStore(world: SharedErrorsWorld): Promise<SharedErrorStore> {
  const { postgres, cluster, clock, dataDir: folder, snapshotBytes: everyBytes } = world;
  const shouldSay = createSeldom(clock, sayEveryMs);
  const warn = (message: string) => {
    if (shouldSay(message)) world.warn(message);
  };
  const queries = postgres.queries<ErrorLogTables>();
  const log = createErrorLog(queries, postgres.patient<ErrorLogTables>());
  const requests = createRequests(queries, clock, () => cluster.signal("errors"));
  const listeners = new Set<(told: readonly unknown[] | null) => void>();
  const wakers = new Set<() => void>();
  let current: { readonly turn: Turn; readonly asked: SharedTurn["asked"]; readonly taken: Set<string> } | undefined;
  let isClosed = false;
  let knownEnd = 0;

  const serially = inTurns();
  const savingAlone = inTurns();
  const save: Parameters<typeof createSnapshots>[0]["save"] = (pinned) =>
    savingAlone(() => saveSnapshot({ folder, log, clock }, pinned));
  const snapshots = createSnapshots({ log, clock, warn, save, everyBytes });
  const copying = await openCopying({ folder, log, clock, warn, onApplied: tellAll });
  try {
    await serially(() => catchUp(copying));
  } catch (error) {
    copying.close();
    throw faultOf(error);
  }
  const looking = createOnce(look, (error) =>
    warn(`can't follow the log of error groups, it is tried again: ${reasonOf(error)}`),
  );
  const cancelSignal = cluster.onSignal("errors", looking.ask);

  function tellAll(told: readonly unknown[] | null): void {
    if (told?.length === 0) return;
    for (const listener of listeners) listener(told);
  }

  async function catchUp({ copy, catchUp }: Copying): Promise<void> {
    if (current !== undefined || isClosed) return;
    const head = await log.head();
    knownEnd = head.position;
    await catchUp(head);
    knownEnd = Math.max(knownEnd, copy().mark().position);
  }

  /** There may be more in the log, or somebody may ask, or have been answered. */
  async function look(): Promise<void> {
    if (isClosed) return;
    try {
      if (current === undefined) await serially(() => catchUp(copying));
      else await serve(current);
    } finally {
      for (const waker of wakers) waker();
    }
  }

  async function serve({ turn, asked, taken }: NonNullable<typeof current>): Promise<void> {
    // one that has nothing to add would not learn of it
    if ((await log.head()).term !== turn.term) turn.yield();
    for (const { id, body } of await requests.take(turn.term)) {
      // the turn may have ended meanwhile
      if (taken.has(id) || current?.turn !== turn) continue;
      taken.add(id);
      const progress = (text: string) =>
        keep(requests.progress(id, text), (error) => warn(`can't tell how a request gets on: ${reasonOf(error)}`));
      asked(body, (answer) => turn.answer(id, answer), progress);
    }
  }

  function over(turn: Turn): void {
    if (current?.turn !== turn) return;
    current = undefined;
    snapshots.end();
  }

  async function end(): Promise<void> {
    const turn = current?.turn;
    if (turn === undefined) return;
    const { promise: givenUp, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(postgres.givenUp.reason);
    if (postgres.givenUp.aborted) leave();
    postgres.givenUp.addEventListener("abort", leave);
    await Promise.race([turn.settled(endMs), givenUp]).catch((error: unknown) => {
      // the copy is thrown away with it, and what it held is found again
      warn(`what was grouped last was not told to the other hubs: ${reasonOf(error)}`);
    });
    postgres.givenUp.removeEventListener("abort", leave);
    turn.end();
    over(turn);
  }

  return {
    store: createDoor({ copy: copying.copy, turn: () => current?.turn }),
    async begin({ asked, onOver }) {
      try {
        await serially(async () => {
          if (current !== undefined) {
            current.turn.end();
            over(current.turn);
          }
          const term = crypto.randomUUID();
          const head = await log.begin(term);
          await copying.catchUp(head);
          const bytes = await log.bytesAfter(head.snapshot?.position ?? 0);
          const copy = copying.copy();
          const turn = createTurn({
            term,
            copy,
            log,
            clock,
            warn,
            save,
            onAdded(added) {
              cluster.signal("errors");
              snapshots.added(added);
            },
            onSnapshot: snapshots.made,
            onOver() {
              over(turn);
              onOver();
            },
          });
          current = { turn, asked, taken: new Set() };
          snapshots.begin(turn, copy, head, bytes);
        });
      } catch (error) {
        throw faultOf(error);
      }
      // what others ask waits already
      looking.ask();
      keep(requests.tidy(), (error) => warn(`can't forget old requests: ${reasonOf(error)}`));
    },
    end,
    async settled() {
      if (current === undefined) throw new Fault("unavailable", "another hub groups errors now");
      await current.turn.settled();
    },
    tell: (told) => current?.turn.tell(told),
    onTold(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async ask(body, onProgress) {
      const woken = () =>
        new Promise<void>((resolve, reject) => {
          const waker = () => {
            wakers.delete(waker);
            if (isClosed) reject(new Fault("unavailable", "the hub stops"));
            else resolve();
          };
          wakers.add(waker);
        });
      let answered: Answered;
      try {
        answered = await requests.ask(body, { onProgress, woken });
      } catch (error) {
        throw faultOf(error);
      }
      try {
        // by the signal that came with the answer it is here already, or on its way
        if (positionOf(copying) < answered.position) await serially(() => catchUp(copying));
      } catch (error) {
        // it is done all the same, and seen here when the log can be read
        warn(`can't follow the log of error groups, it is tried again: ${reasonOf(error)}`);
      }
      return answered.answer;
    },
    figures: () => ({
      behind: current === undefined ? Math.max(0, knownEnd - positionOf(copying)) : 0,
      waiting: current?.turn.waiting() ?? 0,
      turn: current !== undefined,
    }),
    async close() {
      await end();
      isClosed = true;
      cancelSignal();
      for (const waker of wakers) waker();
      await looking.done();
      await serially(async () => copying.close());
      await savingAlone(async () => undefined);
    },
  };
}

function positionOf({ copy }: Copying): number {
  try {
    return copy().mark().position;
  } catch {
    // in the moment in which another one takes its place, which is at the end of the log
    return Number.MAX_SAFE_INTEGER;
  }
}

/** Work that must not overlap, in the order in which it is given. */
function inTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  };
}
