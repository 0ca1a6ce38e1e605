/** Which parts of a message are what was searched for. Pure. */
import { regexReach } from "#src/protocol/query-match.ts";
import type { Query } from "#src/protocol/query.ts";
import type { Piece } from "../../ansi.ts";

/** Marks in one line; a search for `e` need not mark each of a long one. */
const maxHits = 200;

export type Hit = { readonly from: number; readonly to: number };
export type ShownPiece = Piece & { readonly hit: boolean };

/** Expressions for what a query wants in messages; what it doesn't want is left out. */
export function patternsOf(query: Query): readonly RegExp[] {
  switch (query.kind) {
    case "text":
      return [new RegExp(RegExp.escape(query.text), query.caseSensitive ? "g" : "gi")];
    case "regex":
      return [new RegExp(query.source, `${query.flags}g`)];
    case "field": {
      const { path, test } = query;
      if (path.toLowerCase() !== "message" || test.kind !== "regex") return [];
      return [new RegExp(test.source, `${test.flags}g`)];
    }
    case "and":
    case "or":
      return query.parts.flatMap(patternsOf);
    default:
      return [];
  }
}

/** Where they are found, in order; those that touch are one. */
export function hitsIn(text: string, patterns: readonly RegExp[]): readonly Hit[] {
  const reach = text.slice(0, regexReach);
  const found: Hit[] = [];
  for (const pattern of patterns) {
    let count = 0;
    for (const match of reach.matchAll(pattern)) {
      if (match[0] !== "") found.push({ from: match.index, to: match.index + match[0].length });
      if (++count >= maxHits) break;
    }
  }
  found.sort((a, b) => a.from - b.from);
  const joined: Hit[] = [];
  for (const hit of found) {
    const before = joined.at(-1);
    if (before !== undefined && hit.from <= before.to)
      joined[joined.length - 1] = { from: before.from, to: Math.max(before.to, hit.to) };
    else joined.push(hit);
  }
  return joined;
}

/** Pieces cut where hits begin and end. */
export function withHits(pieces: readonly Piece[], hits: readonly Hit[]): readonly ShownPiece[] {
  if (hits.length === 0) return pieces.map((piece) => ({ ...piece, hit: false }));
  const shown: ShownPiece[] = [];
  let next = 0;
  let begin = 0;
  for (const { text, style } of pieces) {
    const end = begin + text.length;
    let at = begin;
    while (at < end) {
      while (next < hits.length && (hits[next]?.to ?? 0) <= at) next++;
      const hit = hits[next];
      const inside = hit !== undefined && hit.from <= at;
      const until = Math.min(end, hit === undefined ? end : inside ? hit.to : hit.from);
      shown.push({ text: text.slice(at - begin, until - begin), style, hit: inside });
      at = until;
    }
    begin = end;
  }
  return shown;
}
