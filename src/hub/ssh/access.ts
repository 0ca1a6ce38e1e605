/**
 * How servers are reached over SSH: what people said, kept and in memory; the secrets of it sealed. Host keys are approved
 * by a person, and nothing secret goes to a host before, or to one that shows another key later.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { createRereading } from "#src/lib/rereading.ts";
import { Fault } from "#src/protocol/fault.ts";
import { check } from "#src/protocol/schema.ts";
import { type SshDetails, type SshHopRequest, type SshRequest, sshDetails } from "#src/protocol/ssh.ts";
import { type Secret, type Secrets, keepable, noSecrets, openSecrets, sealSecrets } from "./access-secrets.ts";
import type { HubKeys, Sealing } from "./hub-key.ts";
import type { SshCredentials, SshHop, SshTarget, SshTargets } from "./port.ts";

export type AccessRow = { readonly serverId: string; readonly body: string; readonly sealed: string };

export type AccessStore = {
  sshRows(): Promise<readonly AccessRow[]>;
  /** In place of what is `known`, undefined: nothing. False: another hub has put something else there. */
  putSsh(row: AccessRow, known: Omit<AccessRow, "serverId"> | undefined): Promise<boolean>;
  deleteSsh(serverId: string): Promise<void>;
};

export type AccessWorld = {
  readonly store: AccessStore;
  readonly vault: Sealing;
  readonly keys: HubKeys;
  /** whose key signs in to a server; undefined: there is no such server */
  readonly organizationOf: (serverId: string) => string | undefined;
  readonly clock: Pick<Clock, "now" | "after">;
};

/** Which of two hops is meant. */
export type HopName = "host" | "jump";

export type SshAccess = SshTargets & {
  open(): Promise<void>;
  close(): void;
  /** Reads those again that another hub has changed; null: all. Rejects when they can't be read now. */
  refresh(serverIds: readonly string[] | null): Promise<void>;
  /** What may be shown; null: there are none. */
  details(serverId: string): Promise<SshDetails | null>;
  /** Whether `put` could keep them, for a new server or this one. Rejects as that does, and changes nothing. */
  examine(request: SshRequest, serverId?: string): Promise<void>;
  /** Rejects with a Fault `invalid`: a key that can't be read, or credentials that were kept for another host. */
  put(serverId: string, request: SshRequest): Promise<SshDetails>;
  /** Forgets them, secrets too. False: there were none. */
  remove(serverId: string): Promise<boolean>;
  /** The host key of one hop is approved. Rejects with a Fault `conflict` when the details were changed meanwhile. */
  approve(serverId: string, hop: HopName, at: Pick<SshHop, "host" | "port">, hostKey: string): Promise<void>;
  /** A server is gone, and its details with it. */
  forget(serverId: string): void;
};

type Hop = NonNullable<SshDetails["jump"]>;
/** `body` is `details` as they are kept. */
type Entry = { readonly details: SshDetails; readonly body: string; readonly sealed: string };
type Next = Pick<Entry, "details" | "sealed">;

/** How often something is begun anew with which another hub was quicker. */
const maxTries = 10;

export function createSshAccess({ store, vault, keys, organizationOf, clock }: AccessWorld): SshAccess {
  const all = new Map<string, Entry>();
  const listeners = new Set<(serverId: string) => void>();
  const rereading = createRereading<AccessRow>({
    clock,
    // few change, and seldom
    read: async () => new Map((await store.sshRows()).map((row) => [row.serverId, row])),
    known: () => all.keys(),
    take(serverId, row) {
      const entry = all.get(serverId);
      if (entry?.sealed === row?.sealed && entry?.body === row?.body) return;
      if (row === undefined) all.delete(serverId);
      else all.set(serverId, entryOf(row));
      tell(serverId);
    },
  });

  const entryOf = ({ body, sealed }: AccessRow): Entry => ({
    details: check(sshDetails, JSON.parse(body), "SSH details in the store"),
    body,
    sealed,
  });

  function tell(serverId: string): void {
    for (const listener of listeners) listener(serverId);
  }

  /**
   * In memory at once, so that nobody goes on from what was before meanwhile; undone when it can't be made durable. False:
   * another hub was quicker with something else, from which to go on.
   */
  async function replace(serverId: string, before: Entry | undefined, { details, sealed }: Next): Promise<boolean> {
    if (all.get(serverId) !== before) return false;
    const body = JSON.stringify(details);
    const entry = { details, body, sealed };
    all.set(serverId, entry);
    let done = false;
    await rereading.write([serverId], async () => {
      try {
        done = await store.putSsh({ serverId, body, sealed }, before);
      } finally {
        if (!done && all.get(serverId) === entry) {
          if (before === undefined) all.delete(serverId);
          else all.set(serverId, before);
        }
      }
    });
    if (done) tell(serverId);
    return done;
  }

  /** What `plan` makes of the details as they are, whoever else changes them. */
  async function change(serverId: string, plan: (before: Entry | undefined) => Promise<Next>): Promise<SshDetails> {
    for (let tries = 1; tries <= maxTries; tries++) {
      // what another hub has just taken in must not give way to what was before
      await rereading.refresh([serverId]);
      const before = all.get(serverId);
      const next = await plan(before);
      if (await replace(serverId, before, next)) return next.details;
    }
    throw changedMeanwhile();
  }

  function ownerOf(serverId: string): string {
    const organization = organizationOf(serverId);
    if (organization === undefined) throw new Fault("not-found", "there is no such server");
    return organization;
  }

  async function shown(serverId: string, details: SshDetails): Promise<SshDetails> {
    const own = await keys.publicKey(ownerOf(serverId));
    const withKey = <T extends Hop>(hop: T): T => (hop.auth === "hub-key" ? { ...hop, publicKey: own } : hop);
    return { ...withKey(details), jump: details.jump && withKey(details.jump) };
  }

  async function credentialsOf(serverId: string, secret: Secret): Promise<SshCredentials> {
    if (secret === null) {
      return { kind: "key", privateKey: await keys.privateKey(ownerOf(serverId)), passphrase: null };
    }
    return "password" in secret ? { kind: "password", ...secret } : { kind: "key", ...secret };
  }

  async function hopOf(serverId: string, { host, port, user, hostKey }: Hop, secret: Secret): Promise<SshHop> {
    return { host, port, user, hostKey, credentials: await credentialsOf(serverId, secret) };
  }

  /** What is to be kept of a request, with what is there already. */
  async function planned({ sudo, sudoPassword, jump, ...request }: SshRequest, before: Entry | undefined, id: string) {
    const kept = before === undefined ? noSecrets : await openSecrets(vault, id, before.sealed);
    const sameWay = before === undefined || isSameWay(jump, before.details.jump);
    const host = merged(request, before?.details ?? null, kept.login, "", sameWay);
    const hop = jump === null ? null : merged(jump, before?.details.jump ?? null, kept.jump, "jump.", true);
    const sameLogin = before !== undefined && sameWay && isSame(request, before.details);
    const secrets: Secrets = {
      login: host.secret,
      sudoPassword: sudo === "with-password" ? (sudoPassword ?? (sameLogin ? kept.sudoPassword : null)) : null,
      jump: hop?.secret ?? null,
    };
    if (sudo === "with-password" && secrets.sudoPassword === null && host.details.auth !== "password") {
      throw noSudoPassword();
    }
    const details: SshDetails = {
      ...host.details,
      sudo,
      jump: hop?.details ?? null,
      updatedAt: timestamp(clock.now()),
    };
    return { details, secrets };
  }

  return {
    async open() {
      for (const row of await store.sshRows()) all.set(row.serverId, entryOf(row));
    },
    close: rereading.close,
    refresh: rereading.refresh,
    ids: () => [...all.keys()],
    has: (serverId) => all.has(serverId),
    async targetOf(serverId): Promise<SshTarget | null> {
      const entry = all.get(serverId);
      if (entry === undefined) return null;
      const { sudo, jump, ...host } = entry.details;
      const { login, sudoPassword, jump: jumpSecret } = await openSecrets(vault, serverId, entry.sealed);
      return {
        ...(await hopOf(serverId, host, login)),
        sudo,
        sudoPassword,
        jump: jump === null ? null : await hopOf(serverId, jump, jumpSecret),
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async details(serverId) {
      const entry = all.get(serverId);
      return entry === undefined ? null : await shown(serverId, entry.details);
    },
    async examine(request, serverId) {
      await planned(request, serverId === undefined ? undefined : all.get(serverId), serverId ?? "");
    },
    async put(serverId, request) {
      ownerOf(serverId);
      const kept = await change(serverId, async (before) => {
        const { details, secrets } = await planned(request, before, serverId);
        return { details, sealed: await sealSecrets(vault, serverId, secrets) };
      });
      return await shown(serverId, kept);
    },
    async remove(serverId) {
      if (!all.has(serverId)) return false;
      await rereading.write([serverId], async () => {
        await store.deleteSsh(serverId);
        all.delete(serverId);
      });
      tell(serverId);
      return true;
    },
    async approve(serverId, hop, at, hostKey) {
      await change(serverId, async (entry) => {
        const found = hop === "host" ? entry?.details : entry?.details.jump;
        if (entry === undefined || found == null || found.host !== at.host || found.port !== at.port) {
          throw changedMeanwhile();
        }
        const { details, sealed } = entry;
        const { jump } = details;
        const next = hop === "host" ? { ...details, hostKey } : { ...details, jump: jump && { ...jump, hostKey } };
        return { details: next, sealed };
      });
    },
    forget(serverId) {
      if (all.delete(serverId)) tell(serverId);
    },
  };
}

const changedMeanwhile = () =>
  new Fault("conflict", "the SSH details were changed meanwhile", { hint: "Check them again" });

const noSudoPassword = () =>
  new Fault("invalid", "sudoPassword is missing: there is no login password to use", {
    hint: "Give sudoPassword, or sudo without-password (NOPASSWD in sudoers)",
  });

const isSame = (one: Pick<SshHop, "host" | "port" | "user">, other: Pick<SshHop, "host" | "port" | "user">): boolean =>
  one.host === other.host && one.port === other.port && one.user === other.user;

type Place = Pick<SshHop, "host" | "port">;

const isSameWay = (one: Place | null, other: Place | null): boolean =>
  one?.host === other?.host && one?.port === other?.port;

/**
 * A hop as asked for, with what was kept where nothing is said. Kept credentials stay with the host, port and user that
 * they were given for, and with the way to it: whoever may change the details must not be able to have them sent
 * elsewhere, and what a jump host calls the host may be another one.
 */
function merged(
  { host, port, user, auth, hostKey }: SshHopRequest,
  before: Hop | null,
  kept: Secret,
  path: string,
  sameWay: boolean,
): { readonly details: Hop; readonly secret: Secret } {
  const samePlace = before !== null && before.host === host && before.port === port;
  const key = hostKey ?? (samePlace ? before.hostKey : null);
  if (auth === undefined && before !== null) {
    if (before.auth !== "hub-key" && !(sameWay && isSame({ host, port, user }, before))) {
      const by = sameWay ? "" : ", by another way";
      throw new Fault(
        "invalid",
        `${path}auth is missing: what is kept is for ${before.user}@${before.host}:${before.port}${by}`,
        { hint: "Give the credentials again, for the new address or jump host" },
      );
    }
    return { details: { ...before, host, port, user, hostKey: key }, secret: kept };
  }
  const wanted = auth ?? ({ kind: "hub-key" } as const);
  const { secret, publicKey } = keepable(wanted);
  return { details: { host, port, user, auth: wanted.kind, publicKey, hostKey: key }, secret };
}
