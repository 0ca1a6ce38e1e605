/**
 * A turn of the hub that groups: what it does to its copy goes to the common log, in order and soon. Whatever it has done
 * and could not add is thrown away with the copy, and counted by whoever has the next turn.
 */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Copy, Pinned } from "./shared-copy.ts";
import type { ErrorLog, Snapshot } from "./shared-log.ts";
import { type Operation, packEntry, textOf } from "./shared-operations.ts";

/** What may wait for Postgres: beyond it nothing more is done, so that what waits does so in the log of lines. */
const maxWaiting = 500;
const maxWaitingLength = 16 * 1024 * 1024;
/** Characters that are added in one transaction. */
const addLength = 4 * 1024 * 1024;
const addRows = 100;
const retryMs = 500;
/** Somebody who waits for Postgres is told to come again after this. */
const patienceMs = 10_000;

type Item = {
  readonly position: number;
  /** null: nothing but answers */
  readonly text: string | null;
  readonly told: unknown[];
  readonly answers: { readonly id: string; readonly answer: string; readonly position: number }[];
  /** everything was made anew: how it is after that */
  readonly pinned: Pinned | null;
};

export type TurnWorld = {
  readonly term: string;
  readonly copy: Copy;
  readonly log: ErrorLog;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly save: (pinned: Pinned) => Promise<Snapshot>;
  /** Something was added: of so many bytes. */
  readonly onAdded: (bytes: number) => void;
  readonly onSnapshot: (snapshot: Snapshot) => void;
  /** Another turn has begun. */
  readonly onOver: () => void;
};

export type Turn = {
  readonly term: string;
  /** Does something to the copy. Throws a Fault `unavailable` while too much waits for Postgres. */
  perform<T>(operation: Operation, work: () => T): T;
  /** What others are to be told of what was done last. Right after it. */
  tell(told: unknown): void;
  /** Answers a request, in one transaction with what was done last. Right after it, if anything was. */
  answer(id: string, answer: string): void;
  /** Resolves when all that was done is in Postgres. Rejects with a Fault `unavailable` when that takes too long. */
  settled(withinMs?: number): Promise<void>;
  /** Things that wait for it. */
  waiting(): number;
  /** Another turn has begun: ends it and says so. */
  yield(): void;
  /** Nothing of it is done or added any more. */
  end(): void;
};

export function createTurn(world: TurnWorld): Turn {
  const { term, copy, log, clock, warn } = world;
  let queue: Item[] = [];
  // of the first ones, which may be in Postgres already: nothing can be put beside them
  let sealed = 0;
  let waitingLength = 0;
  let added = copy.mark().position;
  let isOver = false;
  let running = false;
  const wakers = new Set<() => void>();

  function enqueue(item: Item): void {
    queue.push(item);
    waitingLength += item.text?.length ?? 0;
    if (running) return;
    running = true;
    // what is told and answered comes right after what is done
    clock.after(0, () => keep(run(), (error) => warn(`can't go on with the log of error groups: ${reasonOf(error)}`)));
  }

  async function run(): Promise<void> {
    while (queue.length > 0 && !over()) {
      try {
        await addSome();
      } catch (error) {
        if (over()) break;
        warn(`can't add to the log of error groups, it is tried again: ${reasonOf(error)}`);
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
    running = false;
  }

  // it may have become so while Postgres was asked
  const over = (): boolean => isOver;

  async function addSome(): Promise<void> {
    const batch = takeSome();
    sealed = Math.max(sealed, batch.length);
    const pinned = batch[0]?.pinned ?? null;
    const snapshot = pinned === null ? null : await world.save(pinned);
    const rows: { readonly position: number; readonly body: Uint8Array }[] = [];
    for (const { position, text, told } of batch) {
      if (text !== null) rows.push({ position, body: await packEntry(text, told) });
    }
    const answers = batch.flatMap((item) => item.answers);
    const wanted = rows.at(-1)?.position ?? added;
    const end = await log.add({ term, after: added, rows, answers, snapshot });
    if (over()) return;
    if (end.over || end.position < added || end.position > copy.mark().position) {
      yieldTurn();
      return;
    }
    // an earlier attempt may have come further than we were told; answers are then given once more
    const isDone = (item: Item, i: number) =>
      end.position === wanted ? i < batch.length : item.text !== null && item.position <= end.position;
    const done = queue.filter(isDone);
    queue = queue.filter((item, i) => !isDone(item, i));
    sealed = Math.max(0, sealed - done.length);
    forget(done);
    added = end.position;
    if (snapshot !== null) world.onSnapshot(snapshot);
    world.onAdded(rows.reduce((sum, { body }) => sum + body.length, 0));
    wake();
  }

  /** What goes into the next transaction; what is made anew goes alone. */
  function takeSome(): readonly Item[] {
    const batch: Item[] = [];
    let length = 0;
    for (const item of queue) {
      if (batch.length > 0 && (item.pinned !== null || length >= addLength || batch.length >= addRows)) break;
      batch.push(item);
      length += item.text?.length ?? 0;
      if (item.pinned !== null) break;
    }
    return batch;
  }

  function forget(items: readonly Item[]): void {
    for (const { text, pinned } of items) {
      waitingLength -= text?.length ?? 0;
      pinned?.close();
    }
  }

  function wake(): void {
    for (const waker of wakers) waker();
  }

  function finish(): void {
    if (isOver) return;
    isOver = true;
    forget(queue);
    queue = [];
    wake();
  }

  function yieldTurn(): void {
    if (isOver) return;
    finish();
    world.onOver();
  }

  function put<T>(operation: Operation, work: () => T): T {
    const text = textOf(operation);
    const { logId, position: before } = copy.mark();
    const position = before + 1;
    const value = copy.change({ logId, position, term }, work);
    const pinned = operation.op === "anew" ? copy.pin() : null;
    enqueue({ position, text, told: [], answers: [], pinned });
    return value;
  }

  /** What was done last, if something can still be put beside it. */
  const open = (): Item | undefined => (queue.length > sealed ? queue.at(-1) : undefined);

  return {
    term,
    perform(operation, work) {
      if (isOver) throw notOurs();
      if (queue.length >= maxWaiting || waitingLength >= maxWaitingLength) {
        throw new Fault("unavailable", "too much waits for Postgres", {
          hint: "See whether the database can be reached",
        });
      }
      return put(operation, work);
    },
    tell(told) {
      if (isOver) return;
      if (open()?.text == null) put({ op: "none" }, copy.touch);
      open()?.told.push(told);
    },
    answer(id, answer) {
      if (isOver) return;
      const { position } = copy.mark();
      const last = open();
      const given = { id, answer, position };
      if (last === undefined) enqueue({ position, text: null, told: [], answers: [given], pinned: null });
      else last.answers.push(given);
    },
    settled(withinMs = patienceMs) {
      const last = queue.at(-1);
      const isDone = () => last === undefined || !queue.includes(last);
      return new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!isOver && !isDone()) return;
          stop();
          wakers.delete(look);
          if (isOver) reject(notOurs());
          else resolve();
        };
        const stop = clock.after(withinMs, () => {
          wakers.delete(look);
          reject(notAdded());
        });
        wakers.add(look);
        look();
      });
    },
    waiting: () => queue.length,
    yield: yieldTurn,
    end: finish,
  };
}

function notOurs(): Fault {
  return new Fault("unavailable", "another hub groups errors now", {
    hint: "Look in a moment whether it has been done, and do it again if it has not",
  });
}

function notAdded(): Fault {
  return new Fault("unavailable", "the database does not answer: it may be done later, or not at all", {
    hint: "Look in a moment whether it has been done, and do it again if it has not",
  });
}
