/** A log in memory whose entries arrive when a test says so. */
import type { Arrivals } from "#src/hub/api/search-ports.ts";
import { arrivedText, createArrivalTest } from "#src/hub/store/search/follow.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogSelection } from "#src/protocol/query.ts";

/** Selections that were tested, an element for each batch that one was tested on. */
export type TestArrivals = Arrivals & {
  /** Entries of one server that arrive together; ids follow one another from 1. */
  arrive(entries: readonly StoredEntry[]): void;
  listeners(): number;
  readonly tested: LogSelection[];
  /** entries that were written as JSON */
  readonly written: number[];
};

export function createArrivals(): TestArrivals {
  const all: Arrived[] = [];
  const listeners = new Set<(arrived: Arrived) => void>();
  const tested: LogSelection[] = [];
  const written: number[] = [];
  let head = 0;
  return {
    tested,
    written,
    head: () => head,
    listeners: () => listeners.size,
    onArrival(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async *arrivalsAfter(position, upTo) {
      for (const arrived of all) {
        const from = Math.max(position + 1, arrived.firstPosition);
        const to = Math.min(upTo, arrived.firstPosition + arrived.columns.count - 1);
        if (from > to) continue;
        const builder = createColumnBuilder();
        builder.addRange(arrived.columns, from - arrived.firstPosition, to - arrived.firstPosition + 1);
        yield { serverId: arrived.serverId, firstPosition: from, columns: builder.columns() };
      }
    },
    arrivalTest(selection) {
      const test = createArrivalTest(selection);
      return (arrived) => {
        tested.push(selection);
        return test(arrived);
      };
    },
    arrivedText(arrived, index) {
      written.push(arrived.firstPosition + index);
      return arrivedText(arrived, index);
    },
    arrive(entries) {
      const builder = createColumnBuilder();
      for (const { id: _, serverId: __, ...entry } of entries) builder.add(entry, Date.parse(entry.at));
      const arrived = { serverId: entries[0]?.serverId ?? "", firstPosition: head + 1, columns: builder.columns() };
      all.push(arrived);
      head += entries.length;
      for (const listener of listeners) listener(arrived);
    },
  };
}
