/** Whose entries a search shows. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import type { BlockStore, EntrySearch } from "#src/hub/store/log-port.ts";
import type { Scope } from "#src/hub/store/port.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { entry } from "#test/hub/kit/hub.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

setDefaultTimeout(60_000);

const folder = temporaryFolder();
const servers = 150;
let store: BlockStore;
/** all that is stored, oldest first */
const all: StoredEntry[] = [];

beforeAll(async () => {
  store = await openBlockStore(folder.path, systemClock, (error) => {
    throw error;
  });
  for (let n = 0; n < servers * 4; n++) {
    const serverId = `s${(n * 7) % servers}`;
    const one = entry(n, { message: n % 10 === 0 ? "needle" : "hay", source: n % 2 === 0 ? "api" : "worker" });
    all.push({ id: String(n + 1), serverId, ...one });
    await store.append(delivery(serverId, [one]));
    // some in blocks, some as they came
    if (n === servers * 2) await store.compact();
  }
});
afterAll(async () => {
  await store.close();
  await folder[Symbol.asyncDispose]();
});

// empty, a few, and more than a query takes
const scopes = fc
  .oneof(fc.constant(0), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 60, max: 140 }))
  .chain((size) => fc.uniqueArray(fc.nat(servers + 10), { minLength: size, maxLength: size }))
  .map((numbers) => new Set(numbers.map((n) => `s${n}`)));
const sources = fc.constantFrom(null, "api", "worker");

const selection = (scope: Scope, source: string | null): LogSelection => ({
  scope,
  servers: null,
  sources: source === null ? null : [source],
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
  query: { kind: "all" },
});
const wanted = (scope: Scope, source: string | null) =>
  all.filter((one) => (scope === null || scope.has(one.serverId)) && (source === null || one.source === source));

async function find(search: EntrySearch): Promise<{ entries: StoredEntry[]; cursor: string | null }> {
  const entries: StoredEntry[] = [];
  let cursor: string | null = null;
  for await (const part of store.search(search)) {
    if (part.kind === "hits") entries.push(...part.entries);
    else if (part.kind === "end") ({ cursor } = part);
  }
  return { entries, cursor };
}

describe("a scope", () => {
  test("limits a search to its servers, over all pages", async () => {
    await fc.assert(
      fc.asyncProperty(scopes, sources, fc.integer({ min: 20, max: 200 }), async (scope, source, limit) => {
        const found: StoredEntry[] = [];
        let cursor: string | null = null;
        do {
          const page = await find({ ...selection(scope, source), order: "newest", limit, cursor, budgetMs: null });
          found.push(...page.entries);
          ({ cursor } = page);
        } while (cursor !== null);
        expect(found.toReversed()).toEqual(wanted(scope, source));
      }),
      { numRuns: 30 },
    );
  });

  test("limits counts and an export to its servers", async () => {
    await fc.assert(
      fc.asyncProperty(scopes, sources, async (scope, source) => {
        const { total, partial } = await store.histogram(selection(scope, source), null, null);
        expect([total, partial]).toEqual([wanted(scope, source).length, false]);
        const exported: StoredEntry[] = [];
        for await (const text of store.export(selection(scope, source)))
          exported.push(...(Bun.JSONL.parse(text) as StoredEntry[]));
        expect(exported).toEqual(wanted(scope, source));
      }),
      { numRuns: 20 },
    );
  });

  test("of nobody shows nothing, and none shows everything", async () => {
    const search = { order: "newest", limit: 1000, cursor: null, budgetMs: null } as const;
    expect(await find({ ...selection(new Set(), null), ...search })).toEqual({ entries: [], cursor: null });
    expect((await find({ ...selection(null, null), ...search })).entries.length).toBe(all.length);
  });
});
