/**
 * Whether a server's agent is there, and the moment at which that turns. An agent is silent once it has not reported for
 * as long as makes a server count as disconnected; after a start of the hub it has that time anew, because nobody
 * listened before, unless it was known to be silent already.
 */
import { type Cancel, timestamp } from "#src/lib/clock.ts";
import { connectedWithinSeconds } from "#src/protocol/api.ts";
import type { ServerRecord } from "./port.ts";

const patienceMs = connectedWithinSeconds * 1000;

export type PresenceListener = (id: string, present: boolean) => void;

export type Presence = {
  /** Begins. @param silences the last report of each agent that was silent when the hub was last closed, RFC 3339 */
  readonly open: (records: Iterable<ServerRecord>, silences: ReadonlyMap<string, string>) => void;
  /** It has just reported. */
  readonly seen: (id: string) => void;
  /** Looks at one server anew; undefined: it is gone. */
  readonly look: (id: string, record: ServerRecord | undefined) => void;
  /** Looks at all that are there. @returns after how many milliseconds the next may fall silent */
  readonly sweep: (get: (id: string) => ServerRecord | undefined) => number;
  readonly has: (id: string) => boolean;
  /** Whether it has reported in this life of the hub, and as lately as makes a server count as connected. */
  readonly reports: (id: string) => boolean;
  /** Whether it has reported in this life of the hub. */
  readonly heard: (id: string) => boolean;
  readonly listen: (listener: PresenceListener) => Cancel;
};

/** @param now milliseconds that never go back: a clock that is set must not make all agents silent, or a dead one present */
export function createPresence(now: () => number): Presence {
  const present = new Set<string>();
  // when each has reported, of those that have in this life of the hub
  const heard = new Map<string, number>();
  const listeners = new Set<PresenceListener>();
  let openedAt = Number.NEGATIVE_INFINITY;

  function turn(id: string, isThere: boolean): void {
    if (isThere) present.add(id);
    else present.delete(id);
    for (const listener of listeners) listener(id, isThere);
  }

  /** For how many milliseconds it is still waited for; negative: no longer. */
  function patience(id: string, record: ServerRecord | undefined): number {
    if (record === undefined || record.lastSeenMs === null) return Number.NEGATIVE_INFINITY;
    return (heard.get(id) ?? openedAt) + patienceMs - now();
  }

  return {
    open(records, silences) {
      openedAt = now();
      for (const { id, lastSeenMs } of records) {
        if (lastSeenMs !== null && silences.get(id) !== timestamp(lastSeenMs)) present.add(id);
      }
    },
    seen(id) {
      heard.set(id, now());
      if (!present.has(id)) turn(id, true);
    },
    look(id, record) {
      if (present.has(id) && patience(id, record) < 0) turn(id, false);
      if (record === undefined) heard.delete(id);
    },
    sweep(get) {
      let shortest = Number.POSITIVE_INFINITY;
      for (const id of present) {
        const left = patience(id, get(id));
        if (left < 0) turn(id, false);
        else shortest = Math.min(shortest, left);
      }
      return shortest + 1;
    },
    has: (id) => present.has(id),
    heard: (id) => heard.has(id),
    reports: (id) => now() - (heard.get(id) ?? Number.NEGATIVE_INFINITY) <= patienceMs,
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
