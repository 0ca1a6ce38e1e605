/** The same entries in both stores, the same questions of both: the same answers, by the store's public door. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { openSqliteLedger } from "#src/hub/store/clickhouse/ledger-databases.ts";
import { openClickhouseLogs } from "#src/hub/store/clickhouse/logs.ts";
import { createSoleHub } from "#src/hub/store/cluster/sole.ts";
import type { BlockStore, EntrySearch, Order } from "#src/hub/store/log-port.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { lines, selections, serverIds } from "#test/hub/store/search/arbitrary.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

type Asked = Pick<BlockStore, "append" | "search" | "histogram" | "top" | "context" | "export" | "compact">;

/** How a time or a message may be written that no column holds as it is. */
const oddities = fc.constantFrom<(entry: LogEntry) => LogEntry>(
  (entry) => entry,
  (entry) => entry,
  (entry) => ({ ...entry, at: entry.at.replace(/\.\d+Z$/, "Z") }),
  (entry) => ({ ...entry, at: entry.at.replace("Z", "456Z") }),
  (entry) => ({ ...entry, message: `${entry.message}\ud83d` }),
  (entry) => ({ ...entry, message: `\udc00foo ${entry.message}` }),
  (entry) => ({ ...entry, source: "größe/ſ", message: `\ufffd${entry.message}'\\` }),
  (entry) => ({ ...entry, message: "x".repeat(40_000) + entry.message }),
);

/** Deliveries in order: each of one server. */
const deliveries = fc
  .tuple(
    lines,
    fc.array(oddities, { minLength: 60, maxLength: 60 }),
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 60, maxLength: 60 }),
  )
  .map(([all, changes, sizes]) => {
    const made: { readonly serverId: string; readonly entries: readonly LogEntry[] }[] = [];
    for (let at = 0, i = 0; at < all.length; i++) {
      const size = sizes[i] ?? 1;
      const part = all
        .slice(at, at + size)
        .map(({ entry }, j) => ({ entry, change: changes[at + j] ?? ((one) => one) }));
      at += size;
      for (const [serverId, own] of Map.groupBy(part, ({ entry }) => entry.serverId)) {
        const entries = own.map(({ entry: { id: _, serverId: __, ...entry }, change }) => change(entry));
        made.push({ serverId, entries });
      }
    }
    return made;
  });

const question = fc.record({
  selection: selections,
  order: fc.constantFrom<Order>("newest", "oldest"),
  limit: fc.integer({ min: 1, max: 30 }),
  stepMs: fc.constantFrom(1000, 60_000, 300_000),
  path: fc.constantFrom("level", "stream", "server", "source", "message", "container", "status", "http.status", "tags"),
  values: fc.integer({ min: 1, max: 9 }),
});

async function pages(store: Asked, search: Omit<EntrySearch, "cursor" | "budgetMs">) {
  const all: StoredEntry[][] = [];
  let cursor: string | null = null;
  do {
    const page: StoredEntry[] = [];
    let next: string | null = null;
    for await (const part of store.search({ ...search, cursor, budgetMs: null })) {
      if (part.kind === "hits") page.push(...part.entries);
      else if (part.kind === "end") next = part.cursor;
    }
    // whether a full page is known to be the last is each store's own
    if (page.length > 0) all.push(page);
    cursor = next;
  } while (cursor !== null);
  return all;
}

async function counts(store: Asked, selection: LogSelection, stepMs: number) {
  const { buckets, total, partial } = await store.histogram(selection, stepMs, null);
  return { buckets: buckets.filter((bucket) => Object.keys(bucket.counts).length > 0), total, partial };
}

async function exported(store: Asked, selection: LogSelection): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of store.export(selection)) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe.skipIf(!haveClickhouse)("logs in blocks and in ClickHouse (needs ClickHouse)", () => {
  const ends: (() => unknown)[] = [];
  let blocks: BlockStore;
  let clickhouse: Asked;

  beforeAll(async () => {
    const folder = temporaryFolder();
    ends.push(() => folder[Symbol.asyncDispose]());
    blocks = await openBlockStore(folder.path, systemClock, (error) => {
      throw error;
    });
    ends.push(() => blocks.close());
    const log = { info: () => undefined, warn: () => undefined };
    const url = await (await sharedClickhouse()).freshDatabase();
    const client = await openClickhouse(url, { clock: systemClock, log, cluster: null });
    ends.push(() => client.close());
    const ledger = await openSqliteLedger(folder.path);
    ends.push(() => ledger.close());
    const cluster = createSoleHub();
    ends.push(() => cluster.close());
    const world = { client, ledger, cluster, clock: systemClock, log, days: 30, times: { gather: 1 } };
    const store = await openClickhouseLogs(world);
    ends.push(() => store.close());
    clickhouse = store;
  });

  afterAll(async () => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
  });

  let runs = 0;

  test("give the same pages, counts, values, surroundings and exports", async () => {
    const asked = fc.array(question, { minLength: 3, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(deliveries, asked, fc.boolean(), async (sent, questions, compacted) => {
        // servers of its own: both stores go on counting
        const named = (id: string) => `${id}-${runs}`;
        runs++;
        for (const { serverId, entries } of sent) {
          const own = named(serverId);
          const wanted = await blocks.append(delivery(own, entries));
          expect(await clickhouse.append(delivery(own, entries))).toEqual(wanted);
        }
        if (compacted) await blocks.compact();
        for (const { selection, order, limit, stepMs, path, values } of questions) {
          const own: LogSelection = {
            ...selection,
            scope: new Set([...(selection.scope ?? serverIds)].map(named)),
            servers: selection.servers?.map(named) ?? null,
          };
          const ask = async (store: Asked) => {
            const found = await pages(store, { ...own, order, limit });
            const [first] = found.flat();
            return {
              found,
              counts: await counts(store, own, stepMs),
              top: await store.top(own, path, values, null),
              around: first === undefined ? [] : await store.context(first.id, limit, 2),
              text: await exported(store, own),
            };
          };
          expect({ own, ...(await ask(clickhouse)) }).toEqual({ own, ...(await ask(blocks)) });
        }
      }),
      { numRuns: 12, endOnFailure: true },
    );
    // and all of it, by everybody
    const everything: LogSelection = {
      scope: null,
      servers: null,
      sources: null,
      streams: null,
      level: null,
      fromMs: null,
      toMs: null,
      query: { kind: "all" },
    };
    expect(await exported(clickhouse, everything)).toBe(await exported(blocks, everything));
    expect(await clickhouse.histogram(everything, null, null)).toEqual(await blocks.histogram(everything, null, null));
  });
});
