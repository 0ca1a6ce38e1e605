/**
 * Log entries column by column: how they go through the hub, from a request's body into storage and past whoever reads
 * along. Thousands of entries are then a few large arrays, and no object is made of a line that nobody asks for.
 */

/**
 * What doesn't fit its column: a time that is not written as milliseconds in UTC, and a message that is not well-formed
 * Unicode (a lone surrogate), whose column holds it with U+FFFD instead.
 */
export type Odd = { readonly at?: string; readonly message?: string };

export type LogColumns = {
  readonly count: number;
  /** milliseconds since the epoch */
  readonly times: Float64Array;
  readonly seqs: Float64Array;
  /** ranks in `levels` and `streams` (log.ts) */
  readonly levels: Uint8Array;
  readonly streams: Uint8Array;
  /**
   * Messages in UTF-8, each followed by a newline. A message may hold newlines of its own: message i is
   * `text.subarray(offsets[i], offsets[i + 1] - 1)`.
   */
  readonly text: Buffer;
  /** where each message begins, and where the text ends */
  readonly offsets: Uint32Array;
  /** JSON text of each entry's fields, "": none; null: no entry has any */
  readonly fields: readonly string[] | null;
  readonly sources: readonly string[];
  /** index in `sources`; null: all are of `sources[0]` */
  readonly sourceIndex: Uint16Array | null;
  /** by index; empty as a rule */
  readonly odd: ReadonlyMap<number, Odd>;
};

/**
 * Entries that have just become durable, in the order of arrival: entry i has the position `firstPosition + i`, which is
 * its id as text. The columns are the reader's for the call only, unless it copies them.
 */
export type Arrived = {
  readonly serverId: string;
  readonly firstPosition: number;
  readonly columns: LogColumns;
};
