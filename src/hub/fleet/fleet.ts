/**
 * The servers as they are now, in memory: who they are, which token they have, and what they last reported. Changes of
 * identity are durable before they are answered; heartbeats are written together, once in a while, because the next
 * one replaces them anyway.
 */
import { type Cancel, type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type AgentStatus, connectedWithinSeconds } from "#src/protocol/api.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { FleetStore, ServerRecord, Tokens } from "./port.ts";

/** Heartbeats reach the disk within this time; many in one write share its pages and its fsync. */
const saveAfterMs = 2000;
/** How often silence is looked for. */
const sweepMs = 5000;

/** A server with its new token, shown this once. `stored` resolves when both are durable. */
export type Registered = { readonly server: ServerRecord; readonly token: string; readonly stored: Promise<void> };

export type Beat = { readonly version: string | null; readonly heartbeat: string };

export type Fleet = {
  /** Reads all servers, and looks for silent ones from now on. */
  open(): Promise<void>;
  /** Ends both; what was not yet written is written. */
  close(): Promise<void>;
  /** A server of this name, made if there is none, with a new token; the old one is dead at once. */
  register(hostname: string): Registered;
  /** A new token for a server; undefined: no such server. */
  rotate(id: string): Registered | undefined;
  /** No token is accepted any more; version and last report are cleared. False: no such server. */
  revoke(id: string): Promise<boolean>;
  /** Whether this is the server's token. */
  authenticate(id: string, token: string): boolean;
  /** Takes a heartbeat. */
  beat(id: string, beat: Beat): void;
  get(id: string): ServerRecord | undefined;
  /** By hostname. */
  all(): readonly ServerRecord[];
  status(server: ServerRecord): AgentStatus;
  /** Tells which server has changed: a report, a token, or silence. */
  onChange(listener: (id: string) => void): Cancel;
};

export type FleetWorld = {
  readonly store: FleetStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
};

export function createFleet({ store, tokens, clock, warn }: FleetWorld): Fleet {
  const servers = new Map<string, ServerRecord>();
  const byHostname = new Map<string, string>();
  const unsaved = new Set<string>();
  const connected = new Set<string>();
  const listeners = new Set<(id: string) => void>();
  let order: readonly string[] | undefined;
  let cancelSave: Cancel | undefined;
  let cancelSweep: Cancel | undefined;

  function tell(id: string): void {
    for (const listener of listeners) listener(id);
  }

  function put(record: ServerRecord): void {
    servers.set(record.id, record);
    if (byHostname.get(record.hostname) !== record.id) order = undefined;
    byHostname.set(record.hostname, record.id);
    if (isConnected(record)) connected.add(record.id);
    else connected.delete(record.id);
  }

  function change(record: ServerRecord): Promise<void> {
    put(record);
    tell(record.id);
    return store.putServer(record);
  }

  function withNewToken(server: ServerRecord): Registered {
    const { token, digest } = tokens.create();
    const changed = { ...server, digest };
    return { server: changed, token, stored: change(changed) };
  }

  async function save(): Promise<void> {
    cancelSave?.();
    cancelSave = undefined;
    const ids = [...unsaved];
    unsaved.clear();
    if (ids.length === 0) return;
    try {
      await store.putBeats(ids.flatMap((id) => servers.get(id) ?? []));
    } catch (error) {
      // the next beat of each server carries everything again
      warn(`heartbeats of ${ids.length} servers are not on disk yet: ${reasonOf(error)}`);
    }
  }

  function isConnected(server: ServerRecord): boolean {
    return server.lastSeenMs !== null && clock.now() - server.lastSeenMs <= connectedWithinSeconds * 1000;
  }

  function sweep(): void {
    for (const id of connected) {
      const server = servers.get(id);
      if (server !== undefined && isConnected(server)) continue;
      connected.delete(id);
      tell(id);
    }
    cancelSweep = clock.after(sweepMs, sweep);
  }

  return {
    async open() {
      for (const record of await store.servers()) put(record);
      sweep();
    },
    async close() {
      cancelSweep?.();
      await save();
    },
    register(hostname) {
      const known = servers.get(byHostname.get(hostname) ?? "");
      const fresh = { version: null, lastSeenMs: null, heartbeat: null };
      return withNewToken(
        known ?? { id: crypto.randomUUID(), hostname, createdAtMs: clock.now(), digest: null, ...fresh },
      );
    },
    rotate(id) {
      const server = servers.get(id);
      return server === undefined ? undefined : withNewToken(server);
    },
    async revoke(id) {
      const server = servers.get(id);
      if (server === undefined) return false;
      unsaved.delete(id);
      await change({ ...server, digest: null, version: null, lastSeenMs: null });
      return true;
    },
    authenticate: (id, token) => tokens.matches(token, servers.get(id)?.digest ?? null),
    beat(id, { version, heartbeat }) {
      const server = servers.get(id);
      if (server === undefined) return;
      const changed = { ...server, version: version ?? server.version, lastSeenMs: clock.now(), heartbeat };
      servers.set(id, changed);
      connected.add(id);
      unsaved.add(id);
      cancelSave ??= clock.after(saveAfterMs, () => keep(save(), (error) => warn(reasonOf(error))));
      tell(id);
    },
    get: (id) => servers.get(id),
    all() {
      order ??= [...byHostname.keys()].sort().flatMap((hostname) => byHostname.get(hostname) ?? []);
      return order.flatMap((id) => servers.get(id) ?? []);
    },
    status(server) {
      const up = isConnected(server);
      return {
        status: up ? "connected" : "disconnected",
        version: server.version,
        lastSeen: server.lastSeenMs === null ? null : timestamp(server.lastSeenMs),
        transport: up ? "agent" : null,
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
