/**
 * The servers as they are now, in memory: who they are, which token they have, and what they last reported. Changes of
 * identity are durable before they are answered, and undone when they can't be made so; heartbeats are written
 * together, once in a while, because the next one replaces them anyway.
 */
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { createRereading } from "#src/lib/rereading.ts";
import { connectedWithinSeconds } from "#src/protocol/api.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { createChanges } from "./changes.ts";
import { type ReadServer, createElsewhere } from "./elsewhere.ts";
import { createListening } from "./listening.ts";
import { noticesOf } from "./notices.ts";
import { createPendingTokens } from "./pending.ts";
import type { Fleet, FleetWorld, ServerRecord } from "./port.ts";
import { createPresence } from "./presence.ts";
import { createRegistrar } from "./registrar.ts";
import { createRoster } from "./roster.ts";
import { createSaving } from "./saving.ts";
import { createStrangers } from "./strangers.ts";
import { createWatches } from "./watches.ts";

export type { Fleet, ServerWithToken } from "./port.ts";

/** How often silence is looked for at least; of ten thousand servers, that takes a millisecond. */
const sweepMs = 1000;

export function createFleet({ store, tokens, clock, warn, silences, shared }: FleetWorld): Fleet {
  const roster = createRoster();
  const strangers = createStrangers(() => clock.now());
  const presence = createPresence(
    shared === undefined ? () => clock.monotonic() : createListening(clock, shared.hears),
  );
  const watches = createWatches();
  const connected = new Set<string>();
  const listeners = new Set<(id: string) => void>();
  const mourners = new Set<(id: string) => void>();
  let cancelSweep: Cancel | undefined;
  // what is being read was told just now; all of it: perhaps long ago
  let sudden = true;

  const rereading = createRereading<ReadServer>({
    clock,
    async read(ids) {
      sudden = ids !== null;
      const some = ids ?? undefined;
      const [servers, watched] = await Promise.all([
        store.servers(some),
        shared === undefined ? [] : store.watches(some),
      ]);
      const bodies = new Map(watched.map(({ serverId, body }) => [serverId, body]));
      return new Map(servers.map((server) => [server.id, { server, watch: bodies.get(server.id) ?? null }]));
    },
    known: () => roster.all().map(({ id }) => id),
    take: (id, read) => elsewhere.take(id, read, sudden),
  });
  const saving = createSaving({
    store,
    clock,
    warn,
    get: roster.get,
    watchOf: watches.body,
    write: rereading.write,
    saved: (id, lastSeenMs) => elsewhere.saved(id, lastSeenMs),
    reports: presence.reports,
    shareWithinMs: shared?.shareWithinMs ?? null,
  });

  function tell(id: string): void {
    for (const listener of listeners) listener(id);
  }

  function isConnected({ id, lastSeenMs }: ServerRecord): boolean {
    if (lastSeenMs === null) return false;
    if (presence.reports(id)) return true;
    return !presence.heard(id) && isRecent(lastSeenMs);
  }

  /** Of an earlier life of the hub, and of others, only wall time is known. */
  function isRecent(lastSeenMs: number): boolean {
    const ago = clock.now() - lastSeenMs;
    // a clock that was set back makes it the future; that of another hub may be ahead a little
    const earliest = shared === undefined ? 0 : -connectedWithinSeconds * 1000;
    return ago >= earliest && ago <= connectedWithinSeconds * 1000;
  }

  function changed(id: string): void {
    const entry = roster.get(id);
    if (entry !== undefined && isConnected(entry)) connected.add(id);
    else connected.delete(id);
    presence.look(id, entry);
    if (entry === undefined) {
      watches.set(id, null);
      saving.drop(id);
    }
    tell(id);
  }

  function tokenDied(id: string): void {
    // what was noted was of agents with that token
    strangers.forget(id);
    for (const mourner of mourners) mourner(id);
  }

  const changes = createChanges({ store, roster, write: rereading.write, changed, tokenDied });
  const pending = createPendingTokens({
    store,
    tokens,
    clock,
    // it may be the server's own token by now, and must not be unknown in between
    beforeGone: (ids) => rereading.refresh(ids),
  });
  const elsewhere = createElsewhere({
    roster,
    isNewer: { beat: saving.hasBeat, watch: saving.hasWatch },
    isOffered: (id) => pending.get(id) !== undefined,
    watchOf: watches.body,
    setWatch: watches.take,
    isRecent,
    heard({ id, heartbeat }, isNew) {
      if (isNew && heartbeat !== null) {
        const { hostname, agent } = JSON.parse(heartbeat) as Heartbeat;
        strangers.note(id, hostname, agent.startedAt);
      }
      presence.seen(id);
    },
    changed,
    tokenDied,
  });
  const registrar = createRegistrar({
    roster,
    tokens,
    changes,
    isConnected,
    clock,
    refresh: rereading.refresh,
  });

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
        elsewhere.saved(record.id, record.lastSeenMs);
        if (isConnected(record)) connected.add(record.id);
      }
      if (shared !== undefined) {
        for (const { serverId, body } of await store.watches()) {
          if (roster.get(serverId) !== undefined) watches.take(serverId, body);
        }
      }
      presence.open(roster.all(), (await silences?.()) ?? new Map<string, string>());
      await pending.open();
      sweep();
    },
    async close() {
      cancelSweep?.();
      await saving.close();
      rereading.close();
      pending.close();
    },
    refresh: rereading.refresh,
    refreshOffered: pending.refresh,
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
      if (roster.get(id) === undefined) return false;
      saving.drop(id);
      const [revoked] = await Promise.all([registrar.revoke(id), pending.drop(id)]);
      return revoked;
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
      const offered = pending.get(id);
      if (offered !== undefined && keep === "new") await registrar.settle(id, offered.digest);
      await pending.drop(id);
    },
    authenticate(id, token) {
      const entry = roster.get(id);
      const matches = tokens.matches(token, entry?.digest ?? null) || pending.matches(id, token);
      if (!matches || entry === undefined) return false;
      entry.tokenUsedAtMs = clock.now();
      saving.use(id);
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
      saving.beat(id, !connected.has(id));
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
      saving.watch(id);
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
