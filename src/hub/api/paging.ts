/** Pages of lists that are in memory. A cursor is the place of the last item shown, so pages stand still while lists change. */
import { Fault } from "#src/protocol/fault.ts";
import { z } from "#src/protocol/schema.ts";

/** Most items of a page. */
const maxItems = 1000;
/** Longest cursor: the longest name that a list is sorted by and an id, two bytes a code unit, in base64. */
const maxCursor = 1000;

/** The query members of every list. */
export const paging = {
  limit: z._default(z.coerce.number().check(z.minimum(1), z.maximum(maxItems), z.multipleOf(1)), maxItems),
  cursor: z.optional(z.string().check(z.maxLength(maxCursor))),
};

/** The query of a list that takes nothing else. */
export const pageQuery = z.object(paging);

export type PageQuery = { readonly limit: number; readonly cursor?: string | undefined };

/** Part of a list, and where the next part begins; null: this is the end. */
export type Page<T> = { readonly items: readonly T[]; readonly cursor: string | null };

/**
 * The page of `items` that `query` asks for. `placeOf` gives the place by which `items` are sorted, ascending by UTF-16
 * code units; no two items share one.
 * @throws {Fault} `invalid`: a cursor that no page gave out
 */
export function pageOf<T>(items: readonly T[], query: PageQuery, placeOf: (item: T) => string): Page<T> {
  const from = query.cursor === undefined ? 0 : firstAfter(items, readPlace(query.cursor), placeOf);
  const shown = items.slice(from, from + query.limit);
  const last = shown.at(-1);
  const more = last !== undefined && from + shown.length < items.length;
  return { items: shown, cursor: more ? writePlace(placeOf(last)) : null };
}

/** Sorts by place, for lists that come in another order. */
export function byPlace<T>(items: readonly T[], placeOf: (item: T) => string): readonly T[] {
  const placed = items.map((item) => ({ item, place: placeOf(item) }));
  return placed.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0)).map(({ item }) => item);
}

/** A place that sorts by `parts` one after the other. They must not hold NUL, which sorts before everything. */
export function placeBy(...parts: readonly string[]): string {
  return parts.join("\u0000");
}

/** A moment as part of a place; the newest comes first. */
export function newestFirst(ms: number): string {
  // times after the year 30000 would need another digit
  return String(999_999_999_999_999 - Math.trunc(ms)).padStart(15, "0");
}

function firstAfter<T>(items: readonly T[], place: string, placeOf: (item: T) => string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    if (item !== undefined && placeOf(item) <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

// begins every cursor, so that other text is refused and not taken for a place
const mark = "\u0001";

function writePlace(place: string): string {
  // not UTF-8: a name may hold half of a surrogate pair
  return Buffer.from(mark + place, "utf16le").toString("base64url");
}

function readPlace(cursor: string): string {
  const text = Buffer.from(cursor, "base64url").toString("utf16le");
  const place = text.slice(mark.length);
  if (!text.startsWith(mark) || writePlace(place) !== cursor) {
    throw new Fault("invalid", "cursor is not one that this hub gave out");
  }
  return place;
}
