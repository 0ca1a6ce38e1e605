/**
 * Heartbeats on their way to the store, written together once in a while, because the next one replaces them anyway; with
 * several hubs soon, since it is from there that the others learn who reports.
 */
import { type Batch, createBatch } from "#src/lib/batch.ts";
import type { Clock } from "#src/lib/clock.ts";
import type { Rereading } from "#src/lib/rereading.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Entry, FleetStore } from "./port.ts";

/** The first heartbeat of a server that was not there reaches the disk within this time. */
const saveFirstWithinMs = 2000;
/**
 * Those after it: a hub that is killed forgets no more than what makes a server count as disconnected, and the next
 * beats tell it again. Sooner would mean a write for every beat, and every few seconds a checkpoint of a tenth of a
 * second (measured with 10,000 servers).
 */
const saveWithinMs = 60_000;
/** Servers in one write, a few milliseconds; in between others have their turn. */
const serversAtOnce = 100;
/** When a token was used for something else than a heartbeat, which most of them are. */
const saveUsesWithinMs = 30_000;
/** What other hubs wait for and could not be written is tried again after this time. */
const retryMs = 1000;

export type SavingWorld = {
  readonly store: Pick<FleetStore, "putBeats" | "putWatches">;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  readonly get: (id: string) => Entry | undefined;
  /** how a server is watched, as JSON; null: it is not */
  readonly watchOf: (id: string) => string | null;
  readonly write: Rereading["write"];
  /** hears which report of a server is in the store now */
  readonly saved: (id: string, lastSeenMs: number | null) => void;
  /** whether an agent reports to any hub: its next heartbeat carries when its token was used */
  readonly reports: (id: string) => boolean;
  /** milliseconds; null: there are no other hubs, and how servers are watched is not written at all */
  readonly shareWithinMs: number | null;
};

export type Saving = {
  /** A heartbeat has come. @param first it was not there before */
  readonly beat: (id: string, first: boolean) => void;
  /** Its token was used. */
  readonly use: (id: string) => void;
  /** How it is watched has changed. */
  readonly watch: (id: string) => void;
  /** Whether a heartbeat of it is not in the store yet. */
  readonly hasBeat: (id: string) => boolean;
  readonly hasWatch: (id: string) => boolean;
  /** Nothing of it is to be written any more. */
  readonly drop: (id: string) => void;
  /** Writes what waits, and nothing after that. Never rejects. */
  readonly close: () => Promise<void>;
};

export function createSaving(world: SavingWorld): Saving {
  const { store, clock, warn, get, write, shareWithinMs } = world;
  const isShared = shareWithinMs !== null;
  // what is newer here than in the store
  const newBeats = new Set<string>();
  const newWatches = new Set<string>();
  // with other hubs one write at a time: a database that is slow must not have more and more of them at once
  let turn: Promise<void> = Promise.resolve();
  let closed = false;

  /** Writes some servers; what is read of them meanwhile does not count. @returns why it failed */
  async function put(ids: readonly string[]): Promise<unknown> {
    const rows = ids.flatMap((id) => {
      const entry = get(id);
      return entry === undefined ? [] : { ...entry };
    });
    return await write(ids, async () => {
      try {
        await store.putBeats(rows);
      } catch (error) {
        // whether they are in the store is not known, and is no matter: they are written again
        return error;
      }
      for (const { id, lastSeenMs } of rows) {
        if (get(id)?.lastSeenMs === lastSeenMs) newBeats.delete(id);
        world.saved(id, lastSeenMs);
      }
      return undefined;
    });
  }

  async function save(ids: ReadonlySet<string>): Promise<void> {
    const all = [...ids];
    for (const id of all) for (const batch of [uses, beats]) batch.drop(id);
    // in one order on all hubs, so that none waits for a row of which another waits for one of its own
    if (isShared) all.sort();
    for (let from = 0; from < all.length; from += serversAtOnce) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve));
      const error = await put(all.slice(from, from + serversAtOnce));
      if (error === undefined) continue;
      writeAgain(beats, all.slice(from));
      throw error;
    }
  }

  async function saveWatches(ids: ReadonlySet<string>): Promise<void> {
    const all = [...ids].sort();
    const rows = all.map((serverId) => ({ serverId, body: world.watchOf(serverId) }));
    await write(all, async () => {
      for (const id of all) newWatches.delete(id);
      try {
        await store.putWatches(rows);
      } catch (error) {
        for (const id of all) newWatches.add(id);
        writeAgain(watches, all);
        throw error;
      }
    });
  }

  /** Alone, the next beat of each server carries everything again; other hubs wait for this one. */
  function writeAgain(batch: Batch, ids: readonly string[]): void {
    if (!isShared || closed) return;
    clock.after(retryMs, () => {
      if (!closed) for (const id of ids) batch.add(id);
    });
  }

  function inTurn(work: (ids: ReadonlySet<string>) => Promise<void>) {
    if (!isShared) return work;
    return async (ids: ReadonlySet<string>) => {
      const mine = turn.then(() => work(ids));
      // who began it hears of its failure
      turn = mine.catch(() => undefined);
      await mine;
    };
  }

  const failed = (error: unknown, count: number) =>
    warn(`heartbeats of ${count} servers are not on disk yet: ${reasonOf(error)}`);
  const beats = createBatch({ clock, withinMs: shareWithinMs ?? saveWithinMs, write: inTurn(save), failed });
  const firstBeats = createBatch({ clock, withinMs: shareWithinMs ?? saveFirstWithinMs, write: inTurn(save), failed });
  const uses = createBatch({
    clock,
    withinMs: saveUsesWithinMs,
    async write(ids) {
      for (const id of ids) if (!isShared || !world.reports(id)) firstBeats.add(id);
    },
    failed: (error) => warn(reasonOf(error)),
  });
  const watches = createBatch({
    clock,
    withinMs: shareWithinMs ?? saveWithinMs,
    write: inTurn(saveWatches),
    failed: (error, count) => warn(`how ${count} servers are watched is not in the store yet: ${reasonOf(error)}`),
  });

  return {
    beat(id, first) {
      newBeats.add(id);
      (first ? firstBeats : beats).add(id);
      // that the token was used is written with it
      uses.drop(id);
    },
    use: uses.add,
    watch(id) {
      if (!isShared) return;
      newWatches.add(id);
      watches.add(id);
    },
    hasBeat: (id) => newBeats.has(id),
    hasWatch: (id) => newWatches.has(id),
    drop(id) {
      for (const batch of [uses, firstBeats, beats, watches]) batch.drop(id);
      newBeats.delete(id);
      newWatches.delete(id);
    },
    async close() {
      closed = true;
      for (const batch of [uses, firstBeats, beats, watches]) await batch.flush();
    },
  };
}
