/** What the routes need from the rest of the hub. */
import type { Cancel } from "#src/lib/clock.ts";
import type { AgentStatus, EventsPage, LogFilter, LogsPage, StoredEntry, StoredEvent } from "#src/protocol/api.ts";
import type { PostedEvent } from "#src/protocol/event.ts";
import type { LogEntry } from "#src/protocol/log.ts";

export type Appended = { readonly accepted: number; readonly duplicates: number };

/** Checked entries with the bytes they came in; see `ndjson.ts`. */
export type EntryBatch = {
  readonly entries: readonly LogEntry[];
  readonly times: Float64Array;
  readonly ndjson: Uint8Array | null;
  readonly zstd: Uint8Array | null;
};

/** Who sent a delivery, and what they call it. */
export type Origin = { readonly serverId: string; readonly batchId: string | null };

export type Logs = {
  append(batch: EntryBatch & Origin): Promise<Appended>;
  search(
    search: LogFilter & { readonly limit: number; readonly before: string | null },
    signal?: AbortSignal,
  ): Promise<LogsPage>;
  after(
    position: number,
    filter: LogFilter,
    limit: number,
  ): { readonly entries: readonly StoredEntry[]; readonly position: number };
  head(): number;
  onAppend(listener: () => void): Cancel;
  readonly waiting: () => number;
};

export type Events = {
  appendEvents(batch: Origin & { readonly events: readonly PostedEvent[] }): Promise<Appended>;
  events(search: {
    readonly serverId: string | null;
    readonly type: string | null;
    readonly limit: number;
    readonly before: string | null;
  }): Promise<EventsPage>;
  eventsAfter(position: number, limit: number): readonly StoredEvent[];
  eventsHead(): number;
  onEvent(listener: () => void): Cancel;
  ready(): boolean;
};

/** A server as the fleet knows it. */
export type ServerView = {
  readonly id: string;
  readonly hostname: string;
  readonly createdAtMs: number;
  /** the newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

export type Servers<View extends ServerView = ServerView> = {
  register(hostname: string): { readonly server: View; readonly token: string; readonly stored: Promise<void> };
  rotate(id: string): { readonly server: View; readonly token: string; readonly stored: Promise<void> } | undefined;
  revoke(id: string): Promise<boolean>;
  authenticate(id: string, token: string): boolean;
  beat(id: string, beat: { readonly version: string | null; readonly heartbeat: string }): void;
  get(id: string): View | undefined;
  all(): readonly View[];
  status(server: View): AgentStatus;
  onChange(listener: (id: string) => void): Cancel;
};
