/**
 * What the hub asks of its storage. Two halves, because a larger fleet keeps them in two engines: state (servers,
 * tokens, latest heartbeats, events) and logs. Every promise of a write resolves once the write is durable, and a
 * rejected write has left nothing behind. Writes that fail for lack of space reject with a Fault `unavailable`.
 */
import type { Cancel } from "#src/lib/clock.ts";
import type { EventsPage, LogFilter, LogsPage, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
import type { AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import type { PostedEvent } from "#src/protocol/event.ts";
import type { LogEntry } from "#src/protocol/log.ts";

/** How much of a delivery was new. */
export type Appended = { readonly accepted: number; readonly duplicates: number };

/** One delivery of log entries, already checked. */
export type LogBatch = {
  readonly serverId: string;
  /** the sender's name for this delivery; one that was seen before adds nothing */
  readonly batchId: string | null;
  readonly entries: readonly LogEntry[];
  /** milliseconds since the epoch of each entry */
  readonly times: Float64Array;
  /** the same entries, one JSON object a line, in the same order; null when the caller changed some */
  readonly ndjson: Uint8Array | null;
  /** `ndjson` in zstd, when it came that way */
  readonly zstd: Uint8Array | null;
};

/** Whose entries and events may be seen: ids of servers and sources; null: everybody's. */
export type Scope = ReadonlySet<string> | null;

/** Newest first; `before` is the cursor of an earlier page. */
export type LogSearch = Omit<LogFilter, "project"> & {
  readonly scope: Scope;
  readonly limit: number;
  readonly before: string | null;
};

/** Entries after a position, and the position up to which everything was looked at. */
export type LogsAfter = { readonly entries: readonly StoredEntry[]; readonly position: number };

export type LogStore = {
  /** Stores what is new of a delivery, each entry once whatever is repeated, overlaps or comes late. */
  append(batch: LogBatch): Promise<Appended>;
  /** The highest number stored of a sender; -1: none. Whoever numbers entries himself goes on behind it. */
  lastSeq(serverId: string): number;
  /** Entries by time, newest first. A search that takes long gives way to other work and ends early when aborted. */
  search(search: LogSearch, signal?: AbortSignal): Promise<LogsPage>;
  /** Up to `limit` matching entries in order of arrival, from a bounded stretch after `position`. */
  after(position: number, filter: Omit<LogFilter, "project"> & { readonly scope: Scope }, limit: number): LogsAfter;
  /** The position of the newest entry; positions count entries of all servers in order of arrival, from 1. */
  head(): number;
  /** Tells of new entries, after they are durable. */
  onAppend(listener: () => void): Cancel;
  /** Bytes that wait to be written. */
  waiting(): number;
  /** Deletes what is older than `beforeMs`, then the oldest beyond `maxBytes`. @returns lines deleted */
  prune(beforeMs: number, maxBytes: number): Promise<number>;
  close(): void;
};

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

export type ProjectRow = {
  readonly id: string;
  /** null: made before there was any organisation; the first one takes it over */
  readonly organizationId: string | null;
  /** unique within the organisation, case ignored */
  readonly name: string;
  readonly createdAtMs: number;
};

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
  readonly events: readonly PostedEvent[];
};

export type EventSearch = {
  readonly scope: Scope;
  readonly serverId: string | null;
  readonly type: string | null;
  readonly limit: number;
  readonly before: string | null;
};

export type AuditSearch = {
  readonly organizationId: string;
  /** with what is nobody's, such as the failed sign-in of someone unknown: for a hub of one organisation */
  readonly unowned: boolean;
  readonly action: string | null;
  /** id of what it was done to */
  readonly target: string | null;
  /** id of who did it */
  readonly actor: string | null;
  readonly limit: number;
  readonly before: string | null;
};

export type StateStore = {
  servers(): Promise<readonly ServerRow[]>;
  putServer(row: ServerRow): Promise<void>;
  /** The server and its events are gone; its log entries go with their age. */
  deleteServer(id: string): Promise<void>;
  projects(): Promise<readonly ProjectRow[]>;
  putProject(row: ProjectRow): Promise<void>;
  /** With its sources and enrolment tokens. Rejects with a Fault `conflict` when servers are in it. */
  deleteProject(id: string): Promise<void>;
  sources(): Promise<readonly SourceRow[]>;
  putSource(row: SourceRow): Promise<void>;
  deleteSource(id: string): Promise<void>;
  tokens(): Promise<readonly TokenRow[]>;
  putToken(row: TokenRow): Promise<void>;
  deleteToken(id: string): Promise<void>;
  /** When sources and tokens were last used: written together, not worth a wait. */
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
  appendEvents(batch: EventBatch): Promise<Appended>;
  /** By time, newest first. */
  events(search: EventSearch): Promise<EventsPage>;
  /** In order of arrival, of everybody; the caller leaves out what its reader may not see. */
  eventsAfter(position: number, limit: number): readonly StoredEvent[];
  eventsHead(): number;
  onEvent(listener: () => void): Cancel;
  /**
   * Deletes events older than `beforeMs`, and failed sign-ins of that age that belong to nobody: strangers must not fill
   * the disk. @returns how many events
   */
  prune(beforeMs: number): Promise<number>;
  /** Whether the storage answers. */
  ready(): boolean;
  close(): void;
};
