/**
 * How searches see what is stored: pieces (blocks, and deliveries that still lie as they came), which can be listed and
 * ruled out by their figures and filters without being opened, and opened column by column.
 */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogSelection } from "#src/protocol/query.ts";

/** The figures of a piece. */
export type Piece = {
  /** a delivery that was not yet turned into a block is hot: it has no filter and no counts, and opens more slowly */
  readonly kind: "block" | "hot";
  /** unique within its kind, and never given twice */
  readonly id: number;
  readonly serverId: string;
  /** null: several */
  readonly source: string | null;
  readonly lines: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  /** bit n: an entry of `levels[n]` (protocol/log.ts) is inside */
  readonly levels: number;
  /** bit n: an entry of `streams[n]` may be inside */
  readonly streams: number;
  /** bytes of the messages, roughly */
  readonly rawBytes: number;
};

/** What a piece is ruled out by when it is listed; `source` within a piece of several is still the reader's to check. */
export type PieceLimits = Pick<LogSelection, "scope" | "servers" | "sources" | "streams" | "level" | "fromMs" | "toMs">;

/** Entries per step and level. */
export type PieceCounts = {
  /** a minute as a rule; a longer step where a piece spans very many minutes */
  readonly stepMs: number;
  /** beginning of each step that has entries, rising; milliseconds, a multiple of `stepMs` */
  readonly steps: Float64Array;
  /** `levels.length` numbers for each step */
  readonly counts: Uint32Array;
};

/**
 * A literal that a match must hold, hashed for filters once a search: `probeOf` (filter.ts). All lists empty: it rules
 * nothing out (less than four letters, or less than five digits).
 */
export type Probe = {
  readonly words: Uint32Array;
  readonly numbers: Uint32Array;
  readonly mixed: Uint32Array;
};

/**
 * The entries of a piece, by time, equal times in the order of arrival. What is not asked for is not inflated, so that a
 * Fault `failed` for what is damaged may come with any of it. Disposing gives memory back at once: nothing may be asked of
 * it, nor of its arrays, after that. It need not be disposed of.
 */
export type Columns = Disposable & {
  readonly piece: Piece;
  readonly count: number;
  /** milliseconds since the epoch */
  readonly times: Float64Array;
  /** rank in `levels` (protocol/log.ts) */
  readonly levels: Uint8Array;
  /** rank in `streams` */
  readonly streams: Uint8Array;
  /** order of arrival; the entry's id as text */
  readonly positions: Float64Array;
  readonly seqs: Float64Array;
  readonly sources: readonly string[];
  /** index in `sources`; null: all are of `sources[0]` */
  readonly sourceIndex: Uint16Array | null;
  /**
   * All messages in UTF-8, each followed by a newline. A message may hold newlines of its own: `offsets` says where each
   * begins, and has one more for the end; message i is `text.subarray(offsets[i], offsets[i + 1] - 1)`.
   */
  readonly text: Buffer;
  readonly offsets: Uint32Array;
  /** what doesn't fit its column (a time that is not in milliseconds, say), by index */
  readonly odd: ReadonlyMap<number, { readonly at?: string; readonly message?: string }>;
  message(index: number): string;
  /** JSON text of the fields; "" has none */
  fieldsText(index: number): string;
  entry(index: number): StoredEntry;
};

/** What was stored at one moment: nothing that is written meanwhile is seen, nothing seen goes away. Keep it short. */
export type Snapshot = Disposable & {
  /** Newest: by `lastMs`, falling; oldest: by `firstMs`, rising. Read lazily. */
  pieces(limits: PieceLimits, order: "newest" | "oldest"): Iterable<Piece>;
  /** False: no entry's lower-case message or fields (as JSON text) holds the literal. Hot pieces always may. */
  mayHold(piece: Piece, probe: Probe): boolean;
  /** null: not known without opening it */
  counts(piece: Piece): PieceCounts | null;
  /**
   * Throws a Fault `failed` when it is damaged: its checksum is verified. `near`: it may be asked for again soon, and is
   * kept open within bounds.
   */
  open(piece: Piece, near?: boolean): Columns;
  /** Where an entry is; null: it is gone. */
  find(position: number): { readonly columns: Columns; readonly index: number } | null;
  /** Pieces with entries after a position and up to another, in no order. */
  between(after: number, upTo: number): readonly Piece[];
};

/** A read-only connection of its own; any thread may open one. */
export type BlockReader = {
  readonly snapshot: () => Snapshot;
  readonly close: () => void;
};
