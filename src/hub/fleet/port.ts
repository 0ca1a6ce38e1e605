/** What the fleet needs from others, and what it gives. */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { AgentStatus } from "#src/protocol/api.ts";
import type { Registration, ServerNotice } from "#src/protocol/project.ts";
import type { Watch } from "./watches.ts";

/** A server as it is kept, and as others see it: fields change while it is held. */
export type ServerRecord = {
  readonly id: string;
  readonly projectId: string;
  /** unique within the project */
  readonly hostname: string;
  readonly createdAtMs: number;
  /** keyed hash of the machine id; null: never told */
  readonly machine: string | null;
  /** when another machine took this name over; null: never, or it has registered again since */
  readonly replacedAtMs: number | null;
  /** SHA-256 of the agent token; null: revoked */
  readonly digest: Uint8Array | null;
  readonly tokenUsedAtMs: number | null;
  readonly version: string | null;
  readonly lastSeenMs: number | null;
  /** the newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

/** A server in memory; only this room changes it. */
export type Entry = { -readonly [Key in keyof ServerRecord]: ServerRecord[Key] };

/** By what a server is told from what it was before. */
export type Identity = Pick<ServerRecord, "hostname" | "machine" | "replacedAtMs" | "digest">;

/** What can be changed of a server. */
export type Change = Partial<Identity & Pick<ServerRecord, "version" | "lastSeenMs" | "tokenUsedAtMs">>;

/** How a server is watched in its agent's stead, as JSON. */
export type WatchRecord = { readonly serverId: string; readonly body: string };

export type FleetStore = {
  /** Left out: all. */
  servers(ids?: readonly string[]): Promise<readonly ServerRecord[]>;
  /** Adds one. Rejects with a Fault `conflict` when the project has a server of this name by now. */
  putServer(record: ServerRecord): Promise<void>;
  /**
   * Changes what is given of a server that is still as `known` says. False: it is not, or it is gone, and nothing was
   * changed. Rejects with a Fault `conflict` when the project has another server of the new name.
   */
  changeServer(id: string, known: Identity, change: Change): Promise<boolean>;
  deleteServer(id: string): Promise<void>;
  putBeats(records: readonly ServerRecord[]): Promise<void>;
  /** Only asked for when several hubs share the store; left out: all. */
  watches(ids?: readonly string[]): Promise<readonly WatchRecord[]>;
  /** null: it is not watched any more */
  putWatches(records: readonly { readonly serverId: string; readonly body: string | null }[]): Promise<void>;
  pendingTokens(): Promise<readonly { readonly serverId: string; readonly digest: Uint8Array }[]>;
  /** null: none is pending any more */
  putPendingToken(serverId: string, digest: Uint8Array | null): Promise<void>;
};

export type Tokens = {
  create(): { readonly token: string; readonly digest: Uint8Array };
  matches(token: string, digest: Uint8Array | null): boolean;
};

export type FleetWorld = {
  readonly store: FleetStore;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** The last report of each agent that is known to be silent, RFC 3339; asked for once, when the fleet opens. */
  readonly silences?: () => Promise<ReadonlyMap<string, string>>;
  /** With several hubs over the same store. */
  readonly shared?: Shared;
};

export type Shared = {
  /** what agents report here reaches the other hubs within this time, in milliseconds */
  readonly shareWithinMs: number;
  /** Whether what they report to the other hubs is heard here: while it is not, none of them falls silent. */
  readonly hears: () => boolean;
};

/** A server and its new token, which is shown this once; both are durable. */
export type ServerWithToken = {
  readonly server: ServerRecord;
  readonly token: string;
  /** false: it was known already */
  readonly created: boolean;
};

/** What a registration names; the project is known by then. */
export type ServerRegistration = Omit<Registration, "project"> & { readonly projectId: string };

export type Beat = {
  readonly version: string | null;
  /** as JSON */
  readonly heartbeat: string;
  /** as the agent sees it, by which strangers are noticed */
  readonly hostname: string;
  /** when the agent was started, likewise */
  readonly startedAt: string;
};

export type Fleet = {
  /** Reads all servers, and looks for silent ones from now on. */
  open(): Promise<void>;
  /** Ends both; what was not yet written is written. */
  close(): Promise<void>;
  /**
   * Reads servers again that another hub has changed, null: all; what is different is told as if it had been made here.
   * Rejects when they can't be read now.
   */
  refresh(ids: readonly string[] | null): Promise<void>;
  /** The same for offered tokens. */
  refreshOffered(ids: readonly string[] | null): Promise<void>;
  /**
   * A server of this name in this project, made if there is none, with a new token; the old one is dead at once.
   * Rejects with a Fault `conflict` when another machine reports under this name right now and `replace` is not given;
   * with `renamedFrom`: `not-found` when that is no server of the project, `conflict` when the new name is taken.
   */
  register(registration: ServerRegistration): Promise<ServerWithToken>;
  /** A new token; the old one is dead when this returns, before the promise resolves. undefined: no such server. */
  rotate(id: string): Promise<ServerWithToken> | undefined;
  /** No token is accepted any more, at once; version, last report's time and last use are cleared. False: no such server. */
  revoke(id: string): Promise<boolean>;
  /** Forgets a server; its token is dead at once. False: no such server. */
  remove(id: string): Promise<boolean>;
  /**
   * A second token, good beside the old one until `settleToken`; a new token by any other way ends it. undefined: no such
   * server.
   */
  offerToken(id: string): Promise<string | undefined>;
  /** The token that is offered to a server, with when it was last used (null: not yet); undefined: none is. */
  offeredToken(id: string): { readonly usedAtMs: number | null } | undefined;
  /** Which token of a server this is; null: neither. Notes no use. */
  tokenKind(id: string, token: string): "current" | "offered" | null;
  /** `new`: the offered token takes the place of the old one, which is dead. `old`: the offered one is. */
  settleToken(id: string, keep: "new" | "old"): Promise<void>;
  /** Whether this is the server's token, or one offered to it; if so, notes its use. */
  authenticate(id: string, token: string): boolean;
  /** Takes a heartbeat; one that was let in before the token was revoked is left out. */
  beat(id: string, beat: Beat): void;
  get(id: string): ServerRecord | undefined;
  /** By hostname, then project. The same array until a server comes, goes or moves. */
  all(): readonly ServerRecord[];
  status(server: ServerRecord): AgentStatus;
  /** Whether its agent reports. */
  isPresent(id: string): boolean;
  /** Takes how a silent server is watched in its agent's stead; null: it is not. */
  setWatch(id: string, watch: Watch | null): void;
  /** What was last read over SSH, as JSON, while its figures come from there; else null. */
  polled(server: ServerRecord): string | null;
  notices(server: ServerRecord): readonly ServerNotice[];
  /** Tells which server has changed: a report, a token, a notice, silence, or its end. */
  onChange(listener: (id: string) => void): Cancel;
  /**
   * Tells when an agent falls silent and when one reports that did not. After a start an agent counts as silent only
   * once it has had the time to report that it always has, since nobody listened before.
   */
  onPresence(listener: (id: string, present: boolean) => void): Cancel;
  /** Tells which server's token has just died, so that what was opened with it can be closed. */
  onTokenDead(listener: (id: string) => void): Cancel;
  /** Changes whenever a server comes, goes or moves. */
  revision(): number;
};
