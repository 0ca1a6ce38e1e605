/**
 * What is kept in memory of rows that others change too: it is read again when they have, and nothing read while it was
 * being written here counts, since that may be from before the write. Such keys are read once more after it.
 */
import type { Cancel, Clock } from "./clock.ts";
import { keep } from "./keep.ts";

/** A read that failed and that nobody asks for again is tried again after this time. */
const retryMs = 500;

/** Rows were read, and one of them could not be taken: reading it again would not help. The others were. */
export class NotTaken extends Error {
  override readonly name = "NotTaken";
}

export type Rereading = {
  /** Does a write of `keys`. When it fails they are read again: what could not be answered may have been done. */
  readonly write: <T>(keys: readonly string[], work: () => Promise<T>) => Promise<T>;
  /**
   * Reads `keys`, null: all, and takes what was read. Keys that are being written are read when that is over, which is not
   * waited for. Rejects when reading fails: the keys are then read with the next ones. Rejects with NotTaken when a row makes
   * no sense here, such as one of a newer version.
   */
  readonly refresh: (keys: readonly string[] | null) => Promise<void>;
  /** Nothing is read any more by itself. */
  readonly close: Cancel;
};

export type RereadingWorld<Row> = {
  /** Rows by key; null: all */
  readonly read: (keys: readonly string[] | null) => Promise<ReadonlyMap<string, Row>>;
  /** keys in memory */
  readonly known: () => Iterable<string>;
  /** Takes a row; undefined: there is none (any more). */
  readonly take: (key: string, row: Row | undefined) => void;
  readonly clock: Pick<Clock, "after">;
};

export function createRereading<Row>({ read, known, take, clock }: RereadingWorld<Row>): Rereading {
  const writing = new Map<string, number>();
  const dirty = new Set<string>();
  // written while the read under way was
  let touched = new Set<string>();
  let all = false;
  let turn: Promise<void> = Promise.resolve();
  let cancel: Cancel | undefined;
  let closed = false;

  /** Reads what is to be read and is not being written. */
  async function pass(): Promise<void> {
    const everything = all;
    const keys = everything ? null : [...dirty].filter((key) => !writing.has(key));
    if (keys?.length === 0) return;
    if (everything) dirty.clear();
    else for (const key of keys ?? []) dirty.delete(key);
    all = false;
    touched = new Set(writing.keys());
    let rows: ReadonlyMap<string, Row>;
    try {
      rows = await read(keys);
    } catch (error) {
      if (everything) all = true;
      else for (const key of keys ?? []) dirty.add(key);
      throw error;
    }
    let failure: NotTaken | undefined;
    for (const key of keys ?? new Set([...known(), ...rows.keys()])) {
      if (touched.has(key)) dirty.add(key);
      else {
        try {
          take(key, rows.get(key));
        } catch (error) {
          failure ??= new NotTaken(`${key}: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        }
      }
    }
    if (failure !== undefined) throw failure;
  }

  function run(): Promise<void> {
    const mine = turn.then(pass, pass);
    turn = mine;
    // whoever asked hears of a failure; the next one in the row must not
    keep(turn, () => undefined);
    return mine;
  }

  /** For what nobody asked for, or whoever did has gone. */
  function readLater(delayMs: number): void {
    if (closed || cancel !== undefined) return;
    cancel = clock.after(delayMs, () => {
      cancel = undefined;
      if (closed || (!all && dirty.size === 0)) return;
      keep(run(), () => readLater(retryMs));
    });
  }

  return {
    async write(keys, work) {
      for (const key of keys) {
        writing.set(key, (writing.get(key) ?? 0) + 1);
        touched.add(key);
      }
      try {
        return await work();
      } catch (error) {
        for (const key of keys) dirty.add(key);
        throw error;
      } finally {
        for (const key of keys) {
          const left = (writing.get(key) ?? 1) - 1;
          if (left === 0) writing.delete(key);
          else writing.set(key, left);
          if (left === 0 && dirty.has(key)) readLater(0);
        }
      }
    },
    async refresh(keys) {
      if (keys === null) all = true;
      else for (const key of keys) dirty.add(key);
      try {
        await run();
      } catch (error) {
        if (!(error instanceof NotTaken)) readLater(retryMs);
        throw error;
      }
      // written meanwhile, and not any more
      if ([...dirty].some((key) => !writing.has(key))) readLater(0);
    },
    close() {
      closed = true;
      cancel?.();
    },
  };
}
