/**
 * The servers as they are now, in memory: who they are, which token they have, and what they last reported. Changes of
 * identity are durable before they are answered, and undone when they can't be made so; heartbeats are written
 * together, once in a while, because the next one replaces them anyway.
 */
import { createBatch } from "#src/lib/batch.ts";
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { connectedWithinSeconds } from "#src/protocol/api.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { createChanges } from "./changes.ts";
import { noticesOf } from "./notices.ts";
import type { Fleet, FleetWorld, ServerRecord } from "./port.ts";
import { createRegistrar } from "./registrar.ts";
import { createRoster } from "./roster.ts";
import { createStrangers } from "./strangers.ts";

export type { Fleet, ServerWithToken } from "./port.ts";

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
/** How often silence is looked for. */
const sweepMs = 5000;

export function createFleet({ store, tokens, clock, warn }: FleetWorld): Fleet {
  const roster = createRoster();
  const strangers = createStrangers(() => clock.now());
  const connected = new Set<string>();
  const listeners = new Set<(id: string) => void>();
  const mourners = new Set<(id: string) => void>();
  let cancelSweep: Cancel | undefined;

  const uses = createBatch({
    clock,
    withinMs: saveUsesWithinMs,
    async write(ids) {
      for (const id of ids) firstBeats.add(id);
    },
    failed: (error) => warn(reasonOf(error)),
  });
  async function save(ids: ReadonlySet<string>): Promise<void> {
    const all = [...ids];
    for (const id of all) for (const batch of [uses, beats]) batch.drop(id);
    for (let from = 0; from < all.length; from += serversAtOnce) {
      if (from > 0) await new Promise((resolve) => setImmediate(resolve));
      await store.putBeats(all.slice(from, from + serversAtOnce).flatMap((id) => roster.get(id) ?? []));
    }
  }
  // the next beat of each server carries everything again
  const failed = (error: unknown, count: number) =>
    warn(`heartbeats of ${count} servers are not on disk yet: ${reasonOf(error)}`);
  const beats = createBatch({ clock, withinMs: saveWithinMs, write: save, failed });
  const firstBeats = createBatch({ clock, withinMs: saveFirstWithinMs, write: save, failed });

  function tell(id: string): void {
    for (const listener of listeners) listener(id);
  }

  function isConnected({ lastSeenMs }: ServerRecord): boolean {
    return lastSeenMs !== null && clock.now() - lastSeenMs <= connectedWithinSeconds * 1000;
  }

  const changes = createChanges({
    store,
    roster,
    changed(id) {
      const entry = roster.get(id);
      if (entry !== undefined && isConnected(entry)) connected.add(id);
      else connected.delete(id);
      tell(id);
    },
    tokenDied(id) {
      // what was noted was of agents with that token
      strangers.forget(id);
      for (const mourner of mourners) mourner(id);
    },
  });
  const registrar = createRegistrar({ roster, tokens, changes, isConnected, now: () => clock.now() });

  function sweep(): void {
    for (const id of connected) {
      const server = roster.get(id);
      if (server !== undefined && isConnected(server)) continue;
      connected.delete(id);
      tell(id);
    }
    for (const id of strangers.settled()) tell(id);
    cancelSweep = clock.after(sweepMs, sweep);
  }

  function listen(to: Set<(id: string) => void>, listener: (id: string) => void): Cancel {
    to.add(listener);
    return () => void to.delete(listener);
  }

  return {
    async open() {
      for (const record of await store.servers()) {
        roster.add({ ...record });
        if (isConnected(record)) connected.add(record.id);
      }
      sweep();
    },
    async close() {
      cancelSweep?.();
      for (const batch of [uses, firstBeats, beats]) await batch.flush();
    },
    register: registrar.register,
    rotate: registrar.rotate,
    async revoke(id) {
      const entry = roster.get(id);
      if (entry === undefined) return false;
      for (const batch of [uses, firstBeats, beats]) batch.drop(id);
      await changes.make(entry, { digest: null, version: null, lastSeenMs: null, tokenUsedAtMs: null });
      return true;
    },
    async remove(id) {
      const entry = roster.get(id);
      if (entry === undefined) return false;
      await changes.remove(entry);
      return true;
    },
    authenticate(id, token) {
      const entry = roster.get(id);
      const matches = tokens.matches(token, entry?.digest ?? null);
      if (!matches || entry === undefined) return false;
      entry.tokenUsedAtMs = clock.now();
      uses.add(id);
      return true;
    },
    beat(id, { version, heartbeat, hostname, startedAt }) {
      const entry = roster.get(id);
      // revoked between the request's head and its body
      if (entry === undefined || entry.digest === null) return;
      entry.version = version ?? entry.version;
      entry.lastSeenMs = entry.tokenUsedAtMs = clock.now();
      entry.heartbeat = heartbeat;
      strangers.note(id, hostname, startedAt);
      (connected.has(id) ? beats : firstBeats).add(id);
      // that the token was used is written with it
      uses.drop(id);
      connected.add(id);
      tell(id);
    },
    get: roster.get,
    all: roster.all,
    status(server) {
      const up = isConnected(server);
      return {
        status: up ? "connected" : "disconnected",
        version: server.version,
        lastSeen: server.lastSeenMs === null ? null : timestamp(server.lastSeenMs),
        transport: up ? "agent" : null,
      };
    },
    notices: (server) =>
      noticesOf(server, {
        twin: roster.olderTwin(server),
        reportedAs: strangers.hostname(server.id),
        doubled: strangers.doubled(server.id),
      }),
    onChange: (listener) => listen(listeners, listener),
    onTokenDead: (listener) => listen(mourners, listener),
    revision: roster.revision,
  };
}
