/**
 * What the hub asks of its storage. Two halves, because a larger fleet keeps them in two engines: state (servers,
 * tokens, latest heartbeats, events) and logs. Every promise of a write resolves once the write is durable, and a
 * rejected write has left nothing behind. Writes that fail for lack of space reject with a Fault `unavailable`.
 */
import type { Cancel } from "#src/lib/clock.ts";
import type { EventsPage, LogFilter, LogsPage, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
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

/** Newest first; `before` is the cursor of an earlier page. */
export type LogSearch = LogFilter & { readonly limit: number; readonly before: string | null };

/** Entries after a position, and the position up to which everything was looked at. */
export type LogsAfter = { readonly entries: readonly StoredEntry[]; readonly position: number };

export type LogStore = {
  /** Stores what is new of a delivery, each entry once whatever is repeated, overlaps or comes late. */
  append(batch: LogBatch): Promise<Appended>;
  /** Entries by time, newest first. A search that takes long gives way to other work and ends early when aborted. */
  search(search: LogSearch, signal?: AbortSignal): Promise<LogsPage>;
  /** Up to `limit` matching entries in order of arrival, from a bounded stretch after `position`. */
  after(position: number, filter: LogFilter, limit: number): LogsAfter;
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
  readonly hostname: string;
  readonly createdAtMs: number;
  /** SHA-256 of the agent token; null: revoked */
  readonly digest: Uint8Array | null;
  readonly version: string | null;
  readonly lastSeenMs: number | null;
  /** the newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

/** What a heartbeat changes of a server. */
export type BeatRow = Pick<ServerRow, "id" | "version" | "lastSeenMs" | "heartbeat">;

export type EventBatch = {
  readonly serverId: string;
  readonly batchId: string | null;
  readonly events: readonly PostedEvent[];
};

export type EventSearch = {
  readonly serverId: string | null;
  readonly type: string | null;
  readonly limit: number;
  readonly before: string | null;
};

export type StateStore = {
  servers(): Promise<readonly ServerRow[]>;
  putServer(row: ServerRow): Promise<void>;
  putBeats(rows: readonly BeatRow[]): Promise<void>;
  appendEvents(batch: EventBatch): Promise<Appended>;
  /** By time, newest first. */
  events(search: EventSearch): Promise<EventsPage>;
  /** In order of arrival. */
  eventsAfter(position: number, limit: number): readonly StoredEvent[];
  eventsHead(): number;
  onEvent(listener: () => void): Cancel;
  /** Deletes events older than `beforeMs`. @returns how many */
  prune(beforeMs: number): Promise<number>;
  /** Whether the storage answers. */
  ready(): boolean;
  close(): void;
};
