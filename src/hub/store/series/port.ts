/**
 * What the hub asks of its storage of metrics. Numbers come in as samples, which are many series at one moment, and are
 * read back as series. The embedded engine is one implementation; another one keeps them elsewhere.
 */
import type { Series, SeriesQuery, Subject } from "#src/protocol/series.ts";

export type SeriesFigures = {
  /** samples since the hub was started */
  readonly samples: number;
  /** samples that were older than the raw tier is kept, or could not be kept */
  readonly refused: number;
  /** bytes of memory that samples take which are in no block yet */
  readonly openBytes: number;
  /** hours and days that wait to be rolled up or packed */
  readonly due: number;
};

export type SeriesStore = {
  /**
   * Takes a sample of `origin`, a server or source: for each subject in turn the numbers of its template in turn; NaN
   * stands for one that is not there. Durable within {@link journalEveryMs}. Samples may come in any order, repeated and
   * late; of two different ones for the same second the larger number is kept. False: too old to be kept.
   */
  append(origin: string, atMs: number, subjects: readonly Subject[], values: ArrayLike<number>): boolean;
  /** By key. Empty for an origin that is not known. */
  read(origin: string, query: SeriesQuery): readonly Series[];
  /** Forgets all of an origin. */
  drop(origin: string): void;
  figures(): SeriesFigures;
  /** Rejects nothing and loses nothing: what is in no block yet is in the journal. */
  close(): void;
};

/** A kill at any moment loses at most the samples of this long; a loss of power those that the kernel had not yet written. */
export const journalEveryMs = 2000;
