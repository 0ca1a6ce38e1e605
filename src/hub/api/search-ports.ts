/** What the routes of searches need from the store of log entries. */
import type { Cancel } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogSelection } from "#src/protocol/query.ts";

export type EntrySearch = LogSelection & {
  readonly order: "newest" | "oldest";
  readonly limit: number;
  readonly cursor: string | null;
  readonly budgetMs: number | null;
};

type StoppedEarly = "time" | "memory" | null;

export type SearchPart =
  | { readonly kind: "hits"; readonly entries: readonly StoredEntry[] }
  | { readonly kind: "progress"; readonly lines: number; readonly bytes: number; readonly atMs: number }
  | {
      readonly kind: "end";
      readonly cursor: string | null;
      readonly stoppedEarly: StoppedEarly;
      readonly lines: number;
      readonly blocks: number;
      readonly opened: number;
      readonly damaged: number;
    };

export type LogSearches = {
  /** Who stops reading ends it. */
  search(search: EntrySearch, signal?: AbortSignal): AsyncIterable<SearchPart>;
  histogram(
    selection: LogSelection,
    stepMs: number | null,
    budgetMs: number | null,
    signal?: AbortSignal,
  ): Promise<{
    readonly stepMs: number;
    readonly buckets: readonly { readonly fromMs: number; readonly counts: Readonly<Record<string, number>> }[];
    readonly total: number;
    readonly partial: boolean;
  }>;
  top(
    selection: LogSelection,
    path: string,
    limit: number,
    budgetMs: number | null,
    signal?: AbortSignal,
  ): Promise<{
    readonly values: readonly { readonly value: string; readonly count: number }[];
    readonly partial: boolean;
  }>;
  context(id: string, before: number, after: number): Promise<readonly StoredEntry[]>;
  /** NDJSON, oldest first, in pieces of whole lines; between two of them it holds nothing of the store. */
  export(selection: LogSelection, signal?: AbortSignal): AsyncIterable<Uint8Array>;
};

/** Entries in order of arrival, for those who follow them. */
export type Arrivals = {
  /** The position of the newest entry: positions count entries in the order of their arrival, from 1. */
  head(): number;
  /**
   * Tells of entries when they are durable, in the order of their positions; those that `wanted` does not name may be left
   * out. Their columns are the listener's for the call only, unless it copies them.
   */
  onArrival(
    listener: (arrived: Arrived) => void,
    wanted?: {
      /** asked each time; null: all */
      readonly servers: () => ReadonlySet<string> | null;
      /** Up to this position there is nothing more for the listener. */
      readonly passed: (position: number) => void;
    },
  ): Cancel;
  /**
   * Those after a position and up to another; what is gone is left out, and what is of other servers may be. Each is good
   * until the next is asked for.
   */
  arrivalsAfter(position: number, upTo: number, servers?: ReadonlySet<string> | null): AsyncIterable<Arrived>;
  /** Makes the test of a selection, but for its scope: indexes of the entries that it lets through, rising. */
  arrivalTest(selection: LogSelection): (arrived: Arrived) => Uint32Array;
  /** One of them as JSON text. */
  arrivedText(arrived: Arrived, index: number): string;
};
