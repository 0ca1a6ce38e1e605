/**
 * What the hub asks of a store of log entries, whichever engine keeps them. Every promise of a write resolves once the
 * write is durable, and a rejected write has left nothing behind.
 */
import type { Cancel } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { Appended, LogBatch } from "./port.ts";

/** Entries by time; equal times in the order of arrival. */
export type Order = "newest" | "oldest";

export type EntrySearch = LogSelection & {
  readonly order: Order;
  readonly limit: number;
  /** where an earlier page of the same search ended; null: from the beginning */
  readonly cursor: string | null;
  /** milliseconds after which the search gives what it has; null: no limit */
  readonly budgetMs: number | null;
};

/** A search answers piece by piece: hits as they are found, and from time to time how far it is. */
export type SearchPart =
  | { readonly kind: "hits"; readonly entries: readonly StoredEntry[] }
  /** lines looked at or skipped unopened, and how far back it has come */
  | { readonly kind: "progress"; readonly lines: number; readonly bytes: number; readonly atMs: number }
  /** `stoppedEarly`: what ended it before `limit` hits or the end of the log, null when nothing did */
  | {
      readonly kind: "end";
      readonly cursor: string | null;
      readonly stoppedEarly: "time" | "memory" | null;
      readonly lines: number;
      readonly blocks: number;
      readonly opened: number;
      /** blocks that were passed over because they are damaged */
      readonly damaged: number;
    };

/** Entries per level in a stretch of time. */
export type HistogramBucket = { readonly fromMs: number; readonly counts: Readonly<Record<string, number>> };
export type Histogram = {
  readonly stepMs: number;
  readonly buckets: readonly HistogramBucket[];
  readonly total: number;
  /** the time limit ended it: the figures are of a part */
  readonly partial: boolean;
};

export type TopValue = { readonly value: string; readonly count: number };

export type BlockStore = {
  /** Stores what is new of a delivery, each entry once whatever is repeated, overlaps or comes late. */
  append(batch: LogBatch): Promise<Appended>;
  search(search: EntrySearch, signal?: AbortSignal): AsyncIterable<SearchPart>;
  /** Entries per level over time; `stepMs` is chosen when it is null so that there are at most 200 buckets. */
  histogram(
    selection: LogSelection,
    stepMs: number | null,
    budgetMs: number | null,
    signal?: AbortSignal,
  ): Promise<Histogram>;
  /** The most frequent values of a field among matching entries. */
  top(
    selection: LogSelection,
    path: string,
    limit: number,
    budgetMs: number | null,
    signal?: AbortSignal,
  ): Promise<{ readonly values: readonly TopValue[]; readonly partial: boolean }>;
  /** Entries of the same server and source around one, oldest first, the entry itself among them; empty: it is gone. */
  context(id: string, before: number, after: number): Promise<readonly StoredEntry[]>;
  /** Up to `limit` entries in order of arrival, from a bounded stretch after `position`; matching is the caller's. */
  after(position: number, limit: number): { readonly entries: readonly StoredEntry[]; readonly position: number };
  head(): number;
  /** The newest number of an origin's entries; 0: none. */
  lastSeq(serverId: string): number;
  onAppend(listener: () => void): Cancel;
  waiting(): number;
  /** Deletes whole blocks older than `beforeMs` (per origin where `beforeMs` is a function), then the oldest beyond `maxBytes`. */
  prune(beforeMs: number | ((serverId: string) => number), maxBytes: number): Promise<number>;
  /** Turns what lies as it came into blocks, and small blocks into large ones; resolves when nothing is left to do. */
  compact(): Promise<void>;
  /** Checks every block's checksum and structure; a damaged one is told by its id. */
  check(): AsyncIterable<{ readonly block: string; readonly problem: string | null }>;
  /** Takes damaged blocks out of the way (kept aside in the file), and keeps the rest. @returns how many, with their lines */
  repair(): Promise<{ readonly blocks: number; readonly lines: number }>;
  /** Everything between two times as NDJSON text of whole lines, oldest first. */
  export(selection: LogSelection, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  sizes(): { readonly lines: number; readonly bytes: number; readonly blocks: number };
  close(): void;
};
