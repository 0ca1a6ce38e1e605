/**
 * What the hub asks of its store of state: servers, tokens, latest heartbeats, events. What it asks of its store of log
 * entries is in log-port.ts, because a larger fleet keeps them in another engine. Every promise of a write resolves once
 * the write is durable, and a rejected write has left nothing behind. Writes that fail for lack of space reject with a
 * Fault `unavailable`.
 */
import type { Cancel } from "#src/lib/clock.ts";
import type { EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import type { DeliveredEvent, HubEvent } from "#src/protocol/event.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";

/** How much of a delivery was new. */
export type Appended = { readonly accepted: number; readonly duplicates: number };

/** One delivery of log entries, already checked. */
export type LogBatch = {
  readonly serverId: string;
  /** the sender's name for this delivery; one that was seen before adds nothing */
  readonly batchId: string | null;
  /** the store's from then on: they are empty when it is done */
  readonly columns: LogColumns;
  /** the same entries as NDJSON in zstd, when they came that way and none was changed since */
  readonly zstd: Uint8Array | null;
  /** size of the entries as JSON, for figures */
  readonly bytes: number;
  /**
   * The store numbers the entries, whatever numbers they have: from here on, and above all that the sender has. For senders
   * without numbers of their own, whose deliveries may come to several hubs.
   */
  readonly numberFrom?: number;
};

/** Whose entries and events may be seen: ids of servers and sources; null: everybody's. */
export type Scope = ReadonlySet<string> | null;

export type ServerRow = {
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

/** What a heartbeat changes of a server. */
export type BeatRow = Pick<ServerRow, "id" | "version" | "lastSeenMs" | "heartbeat" | "tokenUsedAtMs">;

/** By what a server is told from what it was before. */
export type ServerIdentity = Pick<ServerRow, "hostname" | "machine" | "replacedAtMs" | "digest">;
/** What may be changed of a server besides its heartbeat. */
export type ServerChange = Partial<ServerIdentity & Pick<ServerRow, "tokenUsedAtMs" | "version" | "lastSeenMs">>;

/** How a server is watched in its agent's stead, as JSON that the store does not look into. */
export type WatchRow = { readonly serverId: string; readonly body: string };

export type ProjectRow = {
  readonly id: string;
  /** null: made before there was any organization; the first one takes it over */
  readonly organizationId: string | null;
  /** unique within the organization, case ignored */
  readonly name: string;
  readonly createdAtMs: number;
  /** how long and how many bytes of logs are kept; null: as the hub has it */
  readonly retention: { readonly days: number | null; readonly bytes: number | null };
};

/** What may be changed of a project. */
export type ProjectChange = Partial<Pick<ProjectRow, "organizationId" | "name" | "retention">>;

export type SourceRow = {
  readonly id: string;
  readonly projectId: string;
  /** unique within the project */
  readonly name: string;
  readonly createdAtMs: number;
  /** SHA-256 of the source token */
  readonly digest: Uint8Array;
  readonly lastUsedAtMs: number | null;
};

/** API keys and enrolment tokens. */
export type TokenRow = {
  readonly id: string;
  readonly kind: "key" | "enrolment";
  readonly organizationId: string;
  /** of an enrolment token */
  readonly projectId: string | null;
  readonly name: string;
  /** the first characters, to tell tokens apart */
  readonly hint: string;
  /** SHA-256 of the token */
  readonly digest: Uint8Array;
  /** of a key: protocol/access.ts `scopes`; empty for an enrolment token */
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
  /** e-mail address of who made it; null: the hub's own command line */
  readonly createdBy: string | null;
  readonly expiresAtMs: number | null;
  /** null: any number */
  readonly maxUses: number | null;
  readonly uses: number;
  readonly lastUsedAtMs: number | null;
};

/** Where somebody asked to sign a device in from, and for what; better-auth keeps the rest of a device code. */
export type DeviceRow = {
  readonly userCode: string;
  readonly hostname: string | null;
  readonly address: string | null;
  readonly purpose: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
};

export type EventBatch = {
  readonly serverId: string;
  readonly batchId: string | null;
  readonly events: readonly DeliveredEvent[];
};

export type EventSearch = {
  readonly scope: Scope;
  readonly serverId: string | null;
  /** null: all */
  readonly types: readonly string[] | null;
  /** events of this script, or of the container whose lines are filed under it */
  readonly source: string | null;
  /** milliseconds since the epoch, from <= at < to */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly limit: number;
  readonly before: string | null;
};

export type AuditSearch = {
  readonly organizationId: string;
  /** with what is nobody's, such as the failed sign-in of someone unknown: for a hub of one organization */
  readonly unowned: boolean;
  readonly action: string | null;
  /** id of what it was done to */
  readonly target: string | null;
  /** id of who did it */
  readonly actor: string | null;
  readonly limit: number;
  readonly before: string | null;
};

/**
 * With several hubs over one database the same rows are written by all of them: what another hub has made of a row in the
 * meantime rejects with a Fault `conflict` where only one can be right (a name that is given once, a project that is gone).
 * Lists take `ids` to read some rows only; left out: all.
 */
export type StateStore = {
  servers(ids?: readonly string[]): Promise<readonly ServerRow[]>;
  /** Rejects with a Fault `conflict` when the project has another server of this hostname, or is gone. */
  putServer(row: ServerRow): Promise<void>;
  /**
   * Changes what is given of a server that is still as `known` says. False: it is not, or it is gone, and nothing was
   * changed. Rejects with a Fault `conflict` when the project has another server of the new hostname.
   */
  changeServer(id: string, known: ServerIdentity, change: ServerChange): Promise<boolean>;
  /** The server and its events are gone; its log entries go with their age. */
  deleteServer(id: string): Promise<void>;
  projects(ids?: readonly string[]): Promise<readonly ProjectRow[]>;
  /**
   * Adds one; one of this id that is there already stays as it is. Rejects with a Fault `conflict` when another hub has just
   * made one of this name in the organization.
   */
  putProject(row: ProjectRow): Promise<void>;
  /** Changes what is given. False: there is no such project any more. Rejects with a Fault `conflict` likewise. */
  changeProject(id: string, change: ProjectChange): Promise<boolean>;
  /** With its sources and enrolment tokens. Rejects with a Fault `conflict` when servers are in it. */
  deleteProject(id: string): Promise<void>;
  sources(ids?: readonly string[]): Promise<readonly SourceRow[]>;
  /** Adds one. Rejects with a Fault `conflict` when the project has another source of this name, or is gone. */
  putSource(row: SourceRow): Promise<void>;
  /** Gives a source another token. False: its token is not `known` any more, or it is gone, and nothing was changed. */
  renewSource(id: string, known: Uint8Array, digest: Uint8Array): Promise<boolean>;
  deleteSource(id: string): Promise<void>;
  tokens(ids?: readonly string[]): Promise<readonly TokenRow[]>;
  putToken(row: TokenRow): Promise<void>;
  deleteToken(id: string): Promise<void>;
  /** Takes one use of an enrolment token, counted where all hubs see it. @returns the uses so far; null: none was left, or it is gone */
  spendToken(id: string): Promise<number | null>;
  /** Gives back what `spendToken` took. @returns the uses so far; null: it is gone */
  refundToken(id: string): Promise<number | null>;
  /** When sources and tokens were last used: written together, not worth a wait; an earlier time changes nothing. */
  putUses(
    uses: readonly { readonly id: string; readonly kind: "source" | "token"; readonly atMs: number }[],
  ): Promise<void>;
  putDevice(row: DeviceRow): Promise<void>;
  /** undefined: unknown or expired; expired ones are deleted as new ones come. */
  device(userCode: string): Promise<DeviceRow | undefined>;
  addAudit(organizationId: string | null, entry: Omit<AuditEntry, "id">): Promise<void>;
  /** Newest first. */
  audit(search: AuditSearch): Promise<AuditPage>;
  putBeats(rows: readonly BeatRow[]): Promise<void>;
  /** How servers are watched whose agents are silent, of those that are. */
  watches(ids?: readonly string[]): Promise<readonly WatchRow[]>;
  /** Of servers that are gone nothing is kept. Told as `beat`. */
  putWatches(rows: readonly { readonly serverId: string; readonly body: string | null }[]): Promise<void>;
  appendEvents(batch: EventBatch): Promise<Appended>;
  /** By time, newest first. */
  events(search: EventSearch): Promise<EventsPage>;
  /** In order of arrival, of everybody; the caller leaves out what its reader may not see. */
  eventsAfter(position: number, limit: number): Promise<readonly StoredEvent[]>;
  /** The position of the newest event that this hub has heard of; another hub may have added some since. */
  eventsHead(): number;
  /** Asks the database what the newest event is; listeners hear of what is new. @returns its position */
  refreshEvents(): Promise<number>;
  /** Hears that there are new events, from whichever hub. */
  onEvent(listener: () => void): Cancel;
  /** The newest of these events of each server; for a start, since it may read all of them. */
  newestOf(
    types: readonly HubEvent["type"][],
  ): Promise<readonly { readonly serverId: string; readonly event: HubEvent }[]>;
  /**
   * Deletes events older than `since` says of their server, and failed sign-ins older than `strangersMs` that belong to
   * nobody: strangers must not fill the disk. @returns how many events
   */
  prune(since: (serverId: string) => number, strangersMs: number): Promise<number>;
  /** Whether the storage answers, within two seconds. */
  ready(): Promise<boolean>;
  /** Writes what waits, and lets go of what is the store's own. */
  close(): void | Promise<void>;
};
