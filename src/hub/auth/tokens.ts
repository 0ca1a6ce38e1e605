/** API keys and enrolment tokens, all in memory, found by their digests. */
import type { Clock } from "#src/lib/clock.ts";
import { createBatch } from "#src/lib/batch.ts";
import { createRereading } from "#src/lib/rereading.ts";
import type { Scope } from "#src/protocol/access.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { createToken, digestKey, digestOf, matchesToken } from "./token.ts";

/** When a token was last used reaches the disk within this time. */
const saveUsesWithinMs = 5000;

/** An API key or enrolment token. */
export type TokenView = {
  readonly id: string;
  readonly kind: "key" | "enrolment";
  readonly organizationId: string;
  /** of an enrolment token */
  readonly projectId: string | null;
  readonly name: string;
  readonly hint: string;
  /** of a key */
  readonly scopes: readonly Scope[];
  readonly createdAtMs: number;
  /** e-mail address; null: the hub's own command line */
  readonly createdBy: string | null;
  readonly expiresAtMs: number | null;
  /** null: any number */
  readonly maxUses: number | null;
  readonly uses: number;
  readonly lastUsedAtMs: number | null;
};

/** A token as it is kept. */
export type TokenRecord = TokenView & { readonly digest: Uint8Array };
/** What comes back from the disk; scopes are text there. */
type StoredToken = Omit<TokenRecord, "scopes"> & { readonly scopes: readonly string[] };

export type TokensStore = {
  /** Left out: all. */
  tokens(ids?: readonly string[]): Promise<readonly StoredToken[]>;
  putToken(record: TokenRecord): Promise<void>;
  deleteToken(id: string): Promise<void>;
  /** Takes one use of an enrolment token. @returns the uses so far, of all hubs; null: none was left, or it is gone */
  spendToken(id: string): Promise<number | null>;
  /** Gives back what `spendToken` took. @returns the uses so far; null: it is gone */
  refundToken(id: string): Promise<number | null>;
  putUses(uses: readonly { readonly id: string; readonly kind: "token"; readonly atMs: number }[]): Promise<void>;
};

/** A token and what it is known by; it is shown this once. */
export type CreatedToken = { readonly view: TokenView; readonly token: string };

export type Tokens = {
  /** Reads all tokens. */
  open(): Promise<void>;
  /** Writes what is not yet written. */
  close(): Promise<void>;
  /** Reads tokens again that another hub has changed; null: all. Rejects when they can't be read now. */
  refresh(ids: readonly string[] | null): Promise<void>;
  /** Newest first. */
  keys(organizationId: string): readonly TokenView[];
  /** Newest first, used up and expired ones too. */
  enrolments(projectId: string): readonly TokenView[];
  /** Durable when it resolves, as everything here. */
  createKey(
    key: Pick<TokenView, "organizationId" | "name" | "scopes" | "createdBy" | "expiresAtMs">,
  ): Promise<CreatedToken>;
  createEnrolment(
    enrolment: Pick<TokenView, "organizationId" | "name" | "createdBy"> & {
      readonly projectId: string;
      readonly expiresAtMs: number;
      readonly maxUses: number;
    },
  ): Promise<CreatedToken>;
  /** Dead at once. undefined: the organization has no such token. */
  revoke(organizationId: string, id: string): Promise<TokenView | undefined>;
  /** What a person made in an organization: keys and enrolment tokens. */
  madeBy(organizationId: string, email: string): readonly TokenView[];
  /** Forgets the enrolment tokens of a project that is gone. */
  forgetProject(projectId: string): void;
  /** Whose token this is, if it has not expired; notes its use. */
  authenticate(token: string): TokenView | undefined;
  /** Whether this was a good token until its time was over. */
  hasExpired(token: string): boolean;
  /** Takes one use of an enrolment token; false: none is left, or there is no such token. */
  spend(id: string): Promise<boolean>;
  /** Gives back what `spend` took. */
  refund(id: string): Promise<void>;
};

export type TokensWorld = {
  readonly store: TokensStore;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
};

/** A token in memory; only this room changes it. */
type Entry = { -readonly [Key in keyof TokenRecord]: TokenRecord[Key] };

const newestFirst = (a: TokenView, b: TokenView) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1);

export function createTokens({ store, clock, warn }: TokensWorld): Tokens {
  const entries = new Map<string, Entry>();
  const byDigest = new Map<string, Entry>();
  const used = createBatch({
    clock,
    withinMs: saveUsesWithinMs,
    async write(ids) {
      await store.putUses(
        [...ids].flatMap((id) => {
          const atMs = entries.get(id)?.lastUsedAtMs;
          return atMs == null ? [] : { id, kind: "token" as const, atMs };
        }),
      );
    },
    failed: (error) => warn(`when tokens were last used is not on disk yet: ${reasonOf(error)}`),
  });

  const rereading = createRereading<StoredToken>({
    clock,
    read: async (ids) => new Map((await store.tokens(ids ?? undefined)).map((one) => [one.id, one])),
    known: () => entries.keys(),
    take(id, row) {
      const entry = entries.get(id);
      if (row === undefined) {
        if (entry !== undefined) drop(entry);
      } else if (entry === undefined) add({ ...row, scopes: row.scopes as readonly Scope[] });
      else {
        entry.uses = row.uses;
        // each hub has its own uses in memory until they are written
        entry.lastUsedAtMs = Math.max(entry.lastUsedAtMs ?? 0, row.lastUsedAtMs ?? 0) || null;
      }
    },
  });

  function add(entry: Entry): void {
    entries.set(entry.id, entry);
    byDigest.set(digestKey(entry.digest), entry);
  }

  function drop(entry: Entry): void {
    entries.delete(entry.id);
    byDigest.delete(digestKey(entry.digest));
    used.drop(entry.id);
  }

  async function create(
    kind: "key" | "enrolment",
    given: Omit<TokenView, "id" | "kind" | "hint">,
  ): Promise<CreatedToken> {
    const { token, digest, hint } = createToken(kind);
    const entry: Entry = { ...given, id: crypto.randomUUID(), kind, hint, digest };
    add(entry);
    await rereading.write([entry.id], async () => {
      try {
        await store.putToken({ ...entry });
      } catch (error) {
        drop(entry);
        throw error;
      }
    });
    return { view: entry, token };
  }

  function find(token: string): Entry | undefined {
    const entry = byDigest.get(digestKey(digestOf(token)));
    return entry !== undefined && matchesToken(token, entry.digest) ? entry : undefined;
  }

  /** False: there was nothing to take or to give back to, as far as all hubs know. */
  async function count(entry: Entry, by: TokensStore["spendToken"]): Promise<boolean> {
    const { id } = entry;
    const uses = await rereading.write([id], async () => {
      const counted = await by(id);
      if (counted !== null) entry.uses = counted;
      return counted;
    });
    if (uses === null) await rereading.refresh([id]);
    return uses !== null;
  }

  const isOver = ({ expiresAtMs }: Entry) => expiresAtMs !== null && expiresAtMs <= clock.now();

  const fresh = () => ({ createdAtMs: clock.now(), uses: 0, lastUsedAtMs: null });
  const select = (wanted: (entry: Entry) => boolean) => [...entries.values()].filter(wanted).sort(newestFirst);

  return {
    async open() {
      for (const record of await store.tokens()) add({ ...record, scopes: record.scopes as readonly Scope[] });
    },
    async close() {
      await used.flush();
      rereading.close();
    },
    refresh: rereading.refresh,
    keys: (organizationId) => select((one) => one.kind === "key" && one.organizationId === organizationId),
    enrolments: (projectId) => select((one) => one.kind === "enrolment" && one.projectId === projectId),
    createKey: ({ organizationId, name, scopes, createdBy, expiresAtMs }) =>
      create("key", {
        ...fresh(),
        organizationId,
        projectId: null,
        name,
        scopes,
        createdBy,
        expiresAtMs,
        maxUses: null,
      }),
    createEnrolment: ({ organizationId, projectId, name, createdBy, expiresAtMs, maxUses }) =>
      create("enrolment", {
        ...fresh(),
        organizationId,
        projectId,
        name,
        scopes: [],
        createdBy,
        expiresAtMs,
        maxUses,
      }),
    async revoke(organizationId, id) {
      const entry = entries.get(id);
      if (entry === undefined || entry.organizationId !== organizationId) return undefined;
      drop(entry);
      await rereading.write([id], async () => {
        try {
          await store.deleteToken(id);
        } catch (error) {
          // it would be alive again after a restart: then better now, and said
          add(entry);
          throw error;
        }
      });
      return entry;
    },
    madeBy: (organizationId, email) =>
      [...entries.values()].filter((one) => one.organizationId === organizationId && one.createdBy === email),
    forgetProject(projectId) {
      for (const entry of entries.values()) if (entry.projectId === projectId) drop(entry);
    },
    authenticate(token) {
      const entry = find(token);
      if (entry === undefined || isOver(entry)) return undefined;
      entry.lastUsedAtMs = clock.now();
      used.add(entry.id);
      return entry;
    },
    hasExpired(token) {
      const entry = find(token);
      return entry !== undefined && isOver(entry);
    },
    async spend(id) {
      const entry = entries.get(id);
      if (entry === undefined || entry.kind !== "enrolment") return false;
      if (entry.maxUses !== null && entry.uses >= entry.maxUses) return false;
      // counted by the store, where other hubs take uses of the same token
      return await count(entry, (token) => store.spendToken(token));
    },
    async refund(id) {
      const entry = entries.get(id);
      // revoked in the meantime: there is nothing to give back to
      if (entry !== undefined) await count(entry, (token) => store.refundToken(token));
    },
  };
}
