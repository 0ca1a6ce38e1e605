/** A log in memory whose entries arrive when a test says so. */
import type { Arrivals } from "#src/hub/api/search-ports.ts";
import { arrivedText, createArrivalTest } from "#src/hub/store/search/follow.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { LogSelection } from "#src/protocol/query.ts";

type Wanted = Parameters<Arrivals["onArrival"]>[1];

/** Selections that were tested, an element for each batch that one was tested on. */
export type TestArrivals = Arrivals & {
  /** Entries of one server that arrive together; ids follow one another from 1. */
  arrive(entries: readonly StoredEntry[]): void;
  /** As `arrive`, but listeners hear of them only with `tell`: they came to another hub. */
  store(entries: readonly StoredEntry[]): void;
  /** Tells listeners what they have not heard of, and of servers that nobody wants only that there was something. */
  tell(): void;
  /** Awaited by whoever reads what is stored. */
  reading: () => Promise<void>;
  listeners(): number;
  readonly tested: LogSelection[];
  /** entries that were written as JSON */
  readonly written: number[];
};

export function createArrivals(): TestArrivals {
  const all: Arrived[] = [];
  const listeners = new Map<(arrived: Arrived) => void, Wanted | undefined>();
  const tested: LogSelection[] = [];
  const written: number[] = [];
  let [head, told] = [0, 0];

  function store(entries: readonly StoredEntry[]): void {
    const builder = createColumnBuilder();
    for (const { id: _, serverId: __, ...entry } of entries) builder.add(entry, Date.parse(entry.at));
    all.push({ serverId: entries[0]?.serverId ?? "", firstPosition: head + 1, columns: builder.columns() });
    head += entries.length;
  }

  function tell(): void {
    const wanted = [...listeners.values()].map((one) => one?.servers() ?? null);
    for (const arrived of all) {
      if (arrived.firstPosition <= told) continue;
      const isWanted = wanted.some((servers) => servers === null || servers.has(arrived.serverId));
      told = arrived.firstPosition + arrived.columns.count - 1;
      if (isWanted) for (const listener of listeners.keys()) listener(arrived);
    }
    for (const one of listeners.values()) one?.passed(told);
  }

  const arrivals: TestArrivals = {
    reading: () => Promise.resolve(),
    tested,
    written,
    head: () => head,
    listeners: () => listeners.size,
    onArrival(listener, wanted) {
      if (listeners.size === 0) told = head;
      listeners.set(listener, wanted);
      return () => void listeners.delete(listener);
    },
    async *arrivalsAfter(position, upTo, servers = null) {
      await arrivals.reading();
      for (const arrived of all) {
        if (servers?.has(arrived.serverId) === false) continue;
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
    store,
    tell,
    arrive(entries) {
      store(entries);
      tell();
    },
  };
  return arrivals;
}
