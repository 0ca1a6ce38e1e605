/** What the rest of the agent asks of delivery. Facts go in; they are durable before they count as taken. */
import type { Cancel } from "#src/lib/clock.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import type { DeliveryStatus } from "#src/protocol/ipc.ts";
import type { Level, LogEntry } from "#src/protocol/log.ts";

/** Where a hub is and how to sign in to it. */
export type Connection = {
  readonly apiUrl: string;
  readonly token: string;
  readonly serverId: string;
  /** PEM file of a private certificate authority */
  readonly caFile?: string;
};

/** One entry that a person or a program hands in. */
export type NewEntry = {
  readonly level: Level;
  readonly message: string;
  readonly source: string;
  readonly fields?: Readonly<Record<string, unknown>>;
};

/** Which of the kept entries to give. */
export type RecentQuery = {
  /** one source, or all of them */
  readonly source?: string;
  readonly lines: number;
  readonly sinceMs?: number;
  readonly level?: Level;
  readonly grep?: string;
};

/** Finished lines of one stream of a script; see the supervisor's OutputChunk, which this mirrors. */
export type Chunk = {
  readonly source: string;
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly piece?: { readonly part: number; readonly last: boolean };
};

/** One line of a container, or a piece of one; see the containers' ContainerLine, which this mirrors. */
export type ContainerLine = {
  readonly at: string;
  readonly stream: "stdout" | "stderr";
  readonly message: string;
  readonly piece?: { readonly part: number; readonly last: boolean };
};

/** Lines of a container, and where its log goes on behind them. */
export type ContainerChunk = {
  readonly source: string;
  readonly container: string;
  readonly containerId: string;
  readonly lines: readonly ContainerLine[];
  readonly position: string;
};

export type Delivery = {
  /** Reads what an earlier daemon left. Throws a Fault when the buffer can't be opened at all. */
  open(): void;
  /** Starts sending and the heartbeat; without a connection entries are kept, bounded. */
  start(): void;
  /** Sends what it can within `withinMs`, syncs the rest to disk, and closes. */
  stop(withinMs: number): Promise<void>;
  /** Uses another hub or token from now on; what waits is sent there. */
  connect(connection: Connection | null): void;
  /** Seconds between heartbeats, from now on. */
  setHeartbeatInterval(seconds: number): void;
  /** Sends a heartbeat now, out of turn. */
  beat(): void;

  take(chunk: Chunk): boolean;
  ready(): boolean;
  position(source: string, stream: "stdout" | "stderr"): number | undefined;
  /** The source is gone: what is kept in memory of it may go. Its positions stay, so that a namesake goes on counting. */
  forget(source: string): void;
  tail(source: string, lines: number): string[];

  /** Whether lines of containers are wanted now; not when their share of the buffer is used up while the hub is away. */
  readyForContainers(): boolean;
  /** The engine no longer has all lines of a source: some between these two times (RFC 3339) were never read. */
  missedOfContainer(source: string, from: string, to: string): void;
  /** Takes lines of a container whole, with their position, or not at all (false): then they may be given again. */
  takeContainer(chunk: ContainerChunk): boolean;
  /** The position of the last chunk of a container that was taken, also by an earlier agent. */
  containerPosition(containerId: string): string | undefined;
  setContainerPosition(containerId: string, position: string): void;
  /** Forgets the positions of all containers but these. */
  keepContainerPositions(containerIds: ReadonlySet<string>): void;
  /** The newest messages of one container among those that are kept of its source, oldest first. */
  containerTail(source: string, containerId: string, lines: number): string[];

  /** Durable when it returns. Throws a Fault `unavailable` when it can't be written. */
  log(entry: NewEntry): void;
  /** Buffered like a log entry, kept longer. */
  emit(event: AgentEvent): void;

  /** Kept entries, oldest first. */
  recent(query: RecentQuery): LogEntry[];
  /** Calls `onEntry` for each new entry that the query lets through, until cancelled. */
  follow(query: RecentQuery, onEntry: (entry: LogEntry) => void): Cancel;

  status(): DeliveryStatus;
};

export type DeliveryOptions = {
  readonly bufferPath: string;
  /** where the buffer goes on when its own disk is full; a tmpfs as a rule */
  readonly overflowDir: string;
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly connection: Connection | null;
  readonly userAgent: string;
  /** `/proc/sys/kernel/random/boot_id`: after a reboot numbers jump ahead, since a power cut may have taken entries */
  readonly bootId: string;
  readonly heartbeatSeconds: number;
  /** The heartbeat of this moment, but for its delivery figures. */
  readonly heartbeat: () => Promise<Omit<Heartbeat, "delivery">> | Omit<Heartbeat, "delivery">;
};
