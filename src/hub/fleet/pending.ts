/**
 * A second agent token for a server, while it is being brought to its host: both are good until one is settled on, so
 * that an agent that could not be replaced goes on with the old one.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { type Rereading, createRereading } from "#src/lib/rereading.ts";
import type { FleetStore, Tokens } from "./port.ts";

const noDigest = new Uint8Array();

type Pending = { readonly digest: Uint8Array; usedAtMs: number | null };

export type PendingTokens = {
  readonly open: () => Promise<void>;
  /** A new one, in place of one that is pending; durable when it resolves. */
  readonly offer: (id: string) => Promise<string>;
  /** Whether this is the server's pending token. */
  readonly is: (id: string, token: string) => boolean;
  /** The same, and notes its use. */
  readonly matches: (id: string, token: string) => boolean;
  readonly get: (id: string) => Readonly<Pending> | undefined;
  /** No longer good, at once; durable when it resolves, and as before when it rejects. */
  readonly drop: (id: string) => Promise<void>;
  /** Reads those again that another hub has changed; null: all. */
  readonly refresh: Rereading["refresh"];
  readonly close: Cancel;
};

export type PendingTokensWorld = {
  readonly store: Pick<FleetStore, "pendingTokens" | "putPendingToken">;
  readonly tokens: Tokens;
  readonly clock: Clock;
  /** Hears of those that another hub has settled, before they are forgotten here. */
  readonly beforeGone: (ids: readonly string[]) => Promise<void>;
};

export function createPendingTokens({ store, tokens, clock, beforeGone }: PendingTokensWorld): PendingTokens {
  const all = new Map<string, Pending>();
  const rereading = createRereading<Uint8Array>({
    clock,
    async read(ids) {
      // there are few, of servers that are being worked on
      const rows = new Map((await store.pendingTokens()).map(({ serverId, digest }) => [serverId, digest]));
      const gone = (ids ?? [...all.keys()]).filter((id) => all.has(id) && !rows.has(id));
      if (gone.length > 0) await beforeGone(gone);
      return rows;
    },
    known: () => all.keys(),
    take(id, digest) {
      if (digest === undefined) all.delete(id);
      else if (Buffer.compare(all.get(id)?.digest ?? noDigest, digest) !== 0) all.set(id, { digest, usedAtMs: null });
    },
  });
  const find = (id: string, token: string) => {
    const pending = all.get(id);
    return pending !== undefined && tokens.matches(token, pending.digest) ? pending : undefined;
  };
  return {
    async open() {
      for (const { serverId, digest } of await store.pendingTokens()) all.set(serverId, { digest, usedAtMs: null });
    },
    async offer(id) {
      const { token, digest } = tokens.create();
      await rereading.write([id], async () => {
        await store.putPendingToken(id, digest);
        all.set(id, { digest, usedAtMs: null });
      });
      return token;
    },
    is: (id, token) => find(id, token) !== undefined,
    matches(id, token) {
      const pending = find(id, token);
      if (pending !== undefined) pending.usedAtMs = clock.now();
      return pending !== undefined;
    },
    get: (id) => all.get(id),
    async drop(id) {
      const pending = all.get(id);
      if (pending === undefined) return;
      all.delete(id);
      await rereading.write([id], async () => {
        try {
          await store.putPendingToken(id, null);
        } catch (error) {
          // its caller hears that it failed and tries again, which must not find it gone
          if (!all.has(id)) all.set(id, pending);
          throw error;
        }
      });
    },
    refresh: rereading.refresh,
    close: rereading.close,
  };
}
