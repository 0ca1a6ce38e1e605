/**
 * What the hub asks of a store of log entries, whichever engine keeps them. Every promise of a write resolves once the
 * write is durable, and a rejected write has left nothing behind.
 */
import type { Cancel } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
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

/** What a check has found of one block. Of a damaged one the figures may be wrong too. */
export type Checked = {
  /** `block 17`; `delivery 4711`: one that is in no block yet; `sender ID`: what is remembered of its deliveries */
  readonly block: string;
  /** null: it is as it was written */
  readonly problem: string | null;
  readonly lines: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly serverId: string;
  readonly sources: readonly string[];
};

export type Repaired = {
  /** blocks that were made anew: nothing of them is lost */
  readonly mended: number;
  /** blocks and deliveries that were put aside, and their lines */
  readonly blocks: number;
  readonly lines: number;
  /** senders of which nothing is remembered any more: what they repeat may be stored again */
  readonly senders: number;
  /** what was put aside, as far as it can be told; the first thousand */
  readonly lost: readonly Checked[];
};

/** What is kept of the log. */
export type Keeping = {
  /** entries of this origin that are older may go; milliseconds since the epoch */
  readonly since: (serverId: string) => number;
  /** origins whose entries may take so many bytes together; the oldest go beyond it */
  readonly shares: readonly { readonly serverIds: ReadonlySet<string>; readonly bytes: number }[];
  /** bytes that everything may take; the oldest go beyond it */
  readonly bytes: number;
};

/** What of the entries that arrive a listener needs; it may be told of others all the same. */
export type Wanted = {
  /** Asked each time, so that it may change; null: all. */
  readonly servers: () => ReadonlySet<string> | null;
  /** Up to this position there is nothing more for it. */
  readonly passed: (position: number) => void;
};

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
  /**
   * Up to where whoever follows may read: no entry with a position as low as this will appear any more. Positions count
   * entries of all senders in order of arrival, from 1; with several hubs some may be missing.
   */
  head(): number;
  /**
   * Tells of entries within a moment after they are durable, in the order of their positions, each once; those that other
   * hubs have stored too. A listener that throws ends nothing but its own turn.
   */
  onArrival(listener: (arrived: Arrived) => void, wanted?: Wanted): Cancel;
  /** Makes the test of entries as they arrive: indexes of those that are selected, rising. `scope` is the caller's to see to. */
  arrivalTest(selection: LogSelection): (arrived: Arrived) => Uint32Array;
  /** An entry of those that arrived, as JSON text. */
  arrivedText(arrived: Arrived, index: number): string;
  /**
   * Entries after a position and up to another, as they arrived; positions that are gone are left out, and those of other
   * servers may be. Each is good until the next is asked for.
   */
  arrivalsAfter(position: number, upTo: number, servers?: ReadonlySet<string> | null): AsyncIterable<Arrived>;
  /**
   * Where entries of a time and later lie: all have a position greater than `after`. `oldestMs`: the time of the oldest
   * entry of each server and source, whatever time was asked for.
   */
  extentSince(fromMs: number): Promise<{ readonly after: number; readonly oldestMs: ReadonlyMap<string, number> }>;
  waiting(): number;
  /** Deletes what need not be kept, whole blocks at a time, and gives their space back. @returns lines deleted */
  prune(keeping: Keeping): Promise<number>;
  /** Turns what lies as it came into blocks, and small blocks into large ones; resolves when nothing is left to do. */
  compact(): Promise<void>;
  /** Checks every block's checksum and structure, and tells of each what it found. */
  check(): AsyncIterable<Checked>;
  /** Mends what can be mended, takes other damaged blocks out of the way (kept aside in the file), and keeps the rest. */
  repair(): Promise<Repaired>;
  /** Everything between two times as NDJSON text of whole lines, oldest first. */
  export(selection: LogSelection, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  sizes(): { readonly lines: number; readonly bytes: number; readonly blocks: number };
  close(): void | Promise<void>;
};
