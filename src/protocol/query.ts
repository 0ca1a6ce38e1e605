/**
 * What a search for log entries asks: a tree that the query language (docs/search.md) is parsed to, and that the stores
 * and the live tail answer. Pure data.
 */
import type { Level, Stream } from "./log.ts";

/** Text is compared without case unless it says otherwise. */
export type Query =
  | { readonly kind: "all" }
  /** the message holds this text, as a word or inside one */
  | { readonly kind: "text"; readonly text: string; readonly caseSensitive: boolean }
  /** the message matches; source and flags as `RegExp` takes them */
  | { readonly kind: "regex"; readonly source: string; readonly flags: string }
  /** a field (dots lead into objects) or one of level, source, stream, server, container has this value */
  | { readonly kind: "field"; readonly path: string; readonly test: FieldTest }
  | { readonly kind: "and" | "or"; readonly parts: readonly Query[] }
  | { readonly kind: "not"; readonly part: Query };

export type FieldTest =
  /** equal as text, without case */
  | { readonly kind: "is"; readonly text: string }
  /** exactly one of these texts; the language has no word for it */
  | { readonly kind: "in"; readonly values: readonly string[] }
  /** the pieces of a text with `*` for anything between them; two at least, any may be empty */
  | { readonly kind: "like"; readonly pieces: readonly string[] }
  /** it is there, and not null */
  | { readonly kind: "exists" }
  /** of `level` the number is its place in `levels`, so that worse ones are greater */
  | { readonly kind: "compare"; readonly operator: "<" | "<=" | ">" | ">="; readonly number: number }
  | { readonly kind: "regex"; readonly source: string; readonly flags: string };

/** What can be decided about a block without opening it, and what the rest of a search is limited to. */
export type LogSelection = {
  /** ids of servers and sources that the reader may see; null: all */
  readonly scope: ReadonlySet<string> | null;
  /** ids of servers (or of sources that log without an agent) */
  readonly servers: readonly string[] | null;
  readonly sources: readonly string[] | null;
  readonly streams: readonly Stream[] | null;
  /** this level or worse */
  readonly level: Level | null;
  /** milliseconds since the epoch, from <= at < to */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly query: Query;
};
