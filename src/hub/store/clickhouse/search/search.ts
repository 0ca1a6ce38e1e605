/** Searching and keeping the logs that are in ClickHouse: the questions and answers of the embedded store. */
import type { Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { BlockStore } from "../../log-port.ts";
import { exportLines } from "../../search/export.ts";
import { type PoolTimes, createPoolOf } from "../../search/pool.ts";
import { type Searching, createSearchingBy } from "../../search/search.ts";
import type { Clickhouse } from "../client.ts";
import { createRetention } from "../retention.ts";
import { checkParts, createSizes, repairNothing } from "../retention-check.ts";
import type { ClickhouseStore } from "./jobs.ts";

/** Entries of an export that are asked for at once: each question looks at a part of every source. */
const exportedAtOnce = 50_000;

export type SearchingWorld = {
  /** for figures and for what is deleted; searches have connections of their own, on threads */
  readonly client: Pick<Clickhouse, "rows" | "run" | "cluster" | "database">;
  /** the setting `clickhouseUrl` */
  readonly url: string;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly warn: (message: string) => void;
  /** for tests */
  readonly times?: PoolTimes;
};

/** The part of the store that is asked, and the part that deletes. */
export type ClickhouseSearching = Pick<
  BlockStore,
  "search" | "histogram" | "top" | "context" | "export" | "prune" | "sizes" | "check" | "repair" | "compact" | "close"
>;

/** Only searches. The tables must be there when the first question comes. */
export function createClickhouseReading(store: ClickhouseStore, times: PoolTimes = {}): Searching {
  return createSearchingBy(createPoolOf("clickhouse/search", store, times));
}

/** The tables must be there when the first question comes. */
export function createClickhouseSearching({
  client,
  url,
  clock,
  warn,
  times = {},
}: SearchingWorld): ClickhouseSearching {
  const searching = createClickhouseReading({ url, cluster: client.cluster }, times);
  const retention = createRetention(client, clock);
  const sizes = createSizes(client, clock, (error) => {
    warn(`the size of the logs in ClickHouse can't be read: ${reasonOf(error)}`);
  });
  return {
    ...searching,
    export: (selection, signal) =>
      exportLines(
        { search: (search, stop) => searching.search({ ...search, limit: exportedAtOnce }, stop) },
        selection,
        signal,
      ),
    prune: (keeping) => retention.prune(keeping),
    sizes,
    check: () => checkParts(client),
    repair: repairNothing,
    // it merges by itself
    compact: () => Promise.resolve(),
  };
}
