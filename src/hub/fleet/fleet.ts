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
import { createPendingTokens } from "./pending.ts";
import type { Fleet, FleetWorld, ServerRecord } from "./port.ts";
import { createPresence } from "./presence.ts";
import { createRegistrar } from "./registrar.ts";
import { createRoster } from "./roster.ts";
import { createStrangers } from "./strangers.ts";
import { createWatches } from "./watches.ts";

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
/** How often silence is looked for at least; of ten thousand servers, that takes a millisecond. */
const sweepMs = 1000;

export function createFleet({ store, tokens, clock, warn, silences }: FleetWorld): Fleet {
  const roster = createRoster();
  const strangers = createStrangers(() => clock.now());
  const presence = createPresence(() => clock.monotonic());
  const watches = createWatches();
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

  function isConnected({ id, lastSeenMs }: ServerRecord): boolean {
    if (lastSeenMs === null) return false;
    if (presence.reports(id)) return true;
    // of an earlier life of the hub only wall time is known, which a clock that was set back makes the future
    const ago = clock.now() - lastSeenMs;
    return !presence.heard(id) && ago >= 0 && ago <= connectedWithinSeconds * 1000;
  }

  const changes = createChanges({
    store,
    roster,
    changed(id) {
      const entry = roster.get(id);
      if (entry !== undefined && isConnected(entry)) connected.add(id);
      else connected.delete(id);
      presence.look(id, entry);
      if (entry === undefined) watches.set(id, null);
      tell(id);
    },
    tokenDied(id) {
      // what was noted was of agents with that token
      strangers.forget(id);
      for (const mourner of mourners) mourner(id);
    },
  });
  const pending = createPendingTokens(store, tokens, () => clock.now());
  const registrar = createRegistrar({ roster, tokens, changes, isConnected, now: () => clock.now() });

  function sweep(): void {
    for (const id of connected) {
      const server = roster.get(id);
      if (server !== undefined && isConnected(server)) continue;
      connected.delete(id);
      tell(id);
    }
    const nextMs = presence.sweep(roster.get);
    for (const id of strangers.settled()) tell(id);
    cancelSweep = clock.after(Math.min(sweepMs, nextMs), sweep);
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
      presence.open(roster.all(), silences?.() ?? new Map<string, string>());
      await pending.open();
      sweep();
    },
    async close() {
      cancelSweep?.();
      for (const batch of [uses, firstBeats, beats]) await batch.flush();
    },
    async register(registration) {
      const registered = await registrar.register(registration);
      await pending.drop(registered.server.id);
      return registered;
    },
    rotate(id) {
      const rotated = registrar.rotate(id);
      return rotated && Promise.all([rotated, pending.drop(id)]).then(([made]) => made);
    },
    async revoke(id) {
      const entry = roster.get(id);
      if (entry === undefined) return false;
      for (const batch of [uses, firstBeats, beats]) batch.drop(id);
      const nothing = { digest: null, version: null, lastSeenMs: null, tokenUsedAtMs: null };
      await Promise.all([pending.drop(id), changes.make(entry, nothing)]);
      return true;
    },
    async remove(id) {
      const entry = roster.get(id);
      if (entry === undefined) return false;
      await Promise.all([pending.drop(id), changes.remove(entry)]);
      return true;
    },
    async offerToken(id) {
      return roster.get(id) === undefined ? undefined : await pending.offer(id);
    },
    offeredToken: pending.get,
    tokenKind(id, token) {
      if (tokens.matches(token, roster.get(id)?.digest ?? null)) return "current";
      return pending.is(id, token) ? "offered" : null;
    },
    async settleToken(id, keep) {
      const entry = roster.get(id);
      const offered = pending.get(id);
      if (entry !== undefined && offered !== undefined && keep === "new")
        await changes.make(entry, { digest: offered.digest });
      await pending.drop(id);
    },
    authenticate(id, token) {
      const entry = roster.get(id);
      const matches = tokens.matches(token, entry?.digest ?? null) || pending.matches(id, token);
      if (!matches || entry === undefined) return false;
      entry.tokenUsedAtMs = clock.now();
      uses.add(id);
      return true;
    },
    beat(id, { version, heartbeat, hostname, startedAt }) {
      const entry = roster.get(id);
      // revoked between the request's head and its body
      if (entry === undefined || (entry.digest === null && pending.get(id) === undefined)) return;
      entry.version = version ?? entry.version;
      entry.lastSeenMs = entry.tokenUsedAtMs = clock.now();
      entry.heartbeat = heartbeat;
      strangers.note(id, hostname, startedAt);
      (connected.has(id) ? beats : firstBeats).add(id);
      // that the token was used is written with it
      uses.drop(id);
      connected.add(id);
      presence.seen(id);
      tell(id);
    },
    get: roster.get,
    all: roster.all,
    status(server) {
      const up = isConnected(server);
      const watch = watches.state(server.id);
      return {
        status: up ? "connected" : "disconnected",
        version: server.version,
        lastSeen: server.lastSeenMs === null ? null : timestamp(server.lastSeenMs),
        transport: up ? "agent" : watches.report(server.id) === null ? null : "ssh",
        ...(watch === undefined ? {} : { ssh: watch }),
      };
    },
    isPresent: presence.has,
    setWatch(id, watch) {
      watches.set(id, watch);
      tell(id);
    },
    polled: (server) => watches.report(server.id),
    notices: (server) =>
      noticesOf(server, {
        twin: roster.olderTwin(server),
        reportedAs: strangers.hostname(server.id),
        doubled: strangers.doubled(server.id),
      }),
    onChange: (listener) => listen(listeners, listener),
    onPresence: presence.listen,
    onTokenDead: (listener) => listen(mourners, listener),
    revision: roster.revision,
  };
}
