/** Where an entry stands among all: by its time, those of the same millisecond by arrival. Cursors of the API are places. */
import type { StoredEntry } from "#src/protocol/api.ts";

export type Place = { readonly ms: number; readonly position: number };

/** After every entry of its millisecond. */
export const lastPosition = Number.MAX_SAFE_INTEGER;

export const placeOf = ({ at, id }: Pick<StoredEntry, "at" | "id">): Place => ({
  ms: Date.parse(at),
  position: Number(id),
});

export const comparePlaces = (a: Place, b: Place): number => a.ms - b.ms || a.position - b.position;

export const writePlace = ({ ms, position }: Place): string => `${ms}.${position}`;

/** What `writePlace` gave, or a time (RFC 3339), which is before its entries; null: neither. */
export function readPlace(text: string): Place | null {
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(text);
  if (match !== null) return { ms: Number(match[1]), position: Number(match[2]) };
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : { ms, position: 0 };
}
