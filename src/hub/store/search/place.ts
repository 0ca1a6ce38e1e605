/** Places in the order of entries: by time, equal times by arrival. Cursors are places. */
import { Fault } from "#src/protocol/fault.ts";
import type { Order } from "../log-port.ts";

export type Place = { readonly ms: number; readonly position: number };

/** After every entry of its millisecond. */
export const lastPosition = Number.MAX_SAFE_INTEGER;

/** Below zero: `a` comes before `b`. */
export function byOrder(order: Order): (a: Place, b: Place) => number {
  return order === "newest"
    ? (a, b) => b.ms - a.ms || b.position - a.position
    : (a, b) => a.ms - b.ms || a.position - b.position;
}

export function writeCursor({ ms, position }: Place): string {
  return `${ms}.${position}`;
}

/** What `writeCursor` gave. @throws {Fault} `invalid` */
export function readCursor(text: string): Place {
  const match = /^(-?\d{1,16})\.(\d{1,16})$/.exec(text);
  if (match === null) throw new Fault("invalid", "cursor is not one that this hub gave out");
  return { ms: Number(match[1]), position: Number(match[2]) };
}
