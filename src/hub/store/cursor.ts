/** Places in a list that is sorted by time, newest first: where a page ended and the next one begins. */
import { Fault } from "#src/protocol/fault.ts";

/** A moment, and the order of arrival within it. */
export type Place = { readonly ms: number; readonly position: number };

export const newestFirst = (a: Place, b: Place) => b.ms - a.ms || b.position - a.position;

export const isOlder = (a: Place, b: Place) => newestFirst(a, b) > 0;

export function writeCursor(place: Place): string {
  return `${place.ms}.${place.position}`;
}

/** @throws {Fault} `invalid` */
export function readCursor(text: string): Place {
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(text);
  if (match === null) throw new Fault("invalid", "cursor is not one that this hub gave out");
  return { ms: Number(match[1]), position: Number(match[2]) };
}
