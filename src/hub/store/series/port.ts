/**
 * What the hub asks of its storage of metrics. Numbers come in as samples, which are many series at one moment, and are
 * read back as series. The embedded engine is one implementation; another one keeps them elsewhere.
 */
import type { LatencyFigures } from "#src/lib/latencies.ts";
import type { Series, SeriesQuery, SeriesRetention, Subject } from "#src/protocol/series.ts";

export type SeriesFigures = {
  /** samples since the hub was started */
  readonly samples: number;
  /** samples that were older than the raw tier is kept, or could not be kept */
  readonly refused: number;
  /** bytes of memory that samples take which are in no block yet */
  readonly openBytes: number;
  /** hours and days that wait to be rolled up or packed */
  readonly due: number;
  /** what waits for an engine that is not in this process; null: there is none */
  readonly sending: SendingFigures | null;
};

export type SendingFigures = {
  /** batches of samples that are not known to be stored yet, and their size in memory and on the disk */
  readonly batches: number;
  readonly bytes: number;
  /** what may wait; beyond it samples are refused */
  readonly mostBytes: number;
  /** milliseconds since the oldest of them was gathered; null: none waits */
  readonly oldestMs: number | null;
  /** numbers that were taken and could not be kept after all */
  readonly lost: number;
  /** why the last attempt failed; null: it did not */
  readonly problem: string | null;
  readonly latencies: LatencyFigures;
};

export type SeriesStore = {
  /**
   * Takes a sample of `origin`, a server or source: for each subject in turn the numbers of its template in turn; NaN
   * stands for one that is not there. Durable within {@link journalEveryMs}. Samples may come in any order, repeated and
   * late; of two different ones for the same second the larger number is kept. False: too old to be kept.
   */
  append(origin: string, atMs: number, subjects: readonly Subject[], values: ArrayLike<number>): boolean;
  /** By key. Empty for an origin that is not known. Rejects with a Fault `unavailable` while the engine is away. */
  read(origin: string, query: SeriesQuery): Promise<readonly Series[]>;
  /** Of several origins; one without any series has no entry. */
  readMany(origins: readonly string[], query: SeriesQuery): Promise<ReadonlyMap<string, readonly Series[]>>;
  /** Forgets all of an origin. */
  drop(origin: string): void;
  figures(): SeriesFigures;
  /** Rejects nothing and loses nothing: what is in no block yet is in the journal. */
  close(): Promise<void>;
};

/** A kill at any moment loses at most the samples of this long; a loss of power those that the kernel had not yet written. */
export const journalEveryMs = 2000;

/** What is nearly too old is not taken: its hour must be rolled up before its points go. */
const tooOldMarginS = 2 * 3600;
/** A clock that is further ahead is wrong. */
const tooFarAheadS = 86_400;

/** Whether a sample of this second is taken at all; of a time that is no number, it is not. */
export function isTaken(atS: number, nowS: number, retention: Pick<SeriesRetention, "raw">): boolean {
  return atS > nowS - retention.raw + tooOldMarginS && atS < nowS + tooFarAheadS;
}
