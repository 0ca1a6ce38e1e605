import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { openLogStore } from "#src/hub/store/logs.ts";
import type { LogStore, Scope } from "#src/hub/store/port.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { entry } from "#test/hub/kit/hub.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const folder = temporaryFolder();
const servers = 150;
let store: LogStore;
/** all that is stored, oldest first */
const all: StoredEntry[] = [];

beforeAll(async () => {
  store = await openLogStore(folder.path, systemClock);
  for (let n = 0; n < servers * 4; n++) {
    const serverId = `s${(n * 7) % servers}`;
    const one = entry(n, { message: n % 10 === 0 ? "needle" : "hay", source: n % 2 === 0 ? "api" : "worker" });
    all.push({ id: String(n + 1), serverId, ...one });
    await store.append({
      serverId,
      batchId: null,
      entries: [one],
      times: new Float64Array([Date.parse(one.at)]),
      ndjson: null,
      zstd: null,
    });
  }
});
afterAll(async () => {
  store.close();
  await folder[Symbol.asyncDispose]();
});

// empty, a few, and more than a query takes
const scopes = fc
  .oneof(fc.constant(0), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 60, max: 140 }))
  .chain((size) => fc.uniqueArray(fc.nat(servers + 10), { minLength: size, maxLength: size }))
  .map((numbers) => new Set(numbers.map((n) => `s${n}`)));
const filters = fc.record(
  { q: fc.constantFrom("", "needle"), source: fc.constantFrom("api", "worker") },
  { requiredKeys: [] },
);
const wanted = (scope: Scope, filter: { q?: string; source?: string }) =>
  all.filter(
    (one) =>
      (scope === null || scope.has(one.serverId)) &&
      one.message.includes(filter.q ?? "") &&
      (filter.source === undefined || one.source === filter.source),
  );

describe("a scope", () => {
  test("limits a search to its servers, over all pages", async () => {
    await fc.assert(
      fc.asyncProperty(scopes, filters, fc.integer({ min: 1, max: 200 }), async (scope, filter, limit) => {
        const found: StoredEntry[] = [];
        for (let before: string | null | undefined; before !== null;) {
          const page = await store.search({ ...filter, scope, limit, before: before ?? null });
          found.push(...page.entries);
          before = page.cursor;
        }
        expect(found.toReversed()).toEqual(wanted(scope, filter));
      }),
      { numRuns: 40 },
    );
  }, 20_000);

  test("limits a tail to its servers, which passes all others by", () => {
    fc.assert(
      fc.property(scopes, filters, (scope, filter) => {
        const found: StoredEntry[] = [];
        for (let position = 0; position < store.head();) {
          const next = store.after(position, { ...filter, scope }, 50);
          expect(next.position).toBeGreaterThan(position);
          found.push(...next.entries);
          ({ position } = next);
        }
        expect(found).toEqual(wanted(scope, filter));
      }),
      { numRuns: 40 },
    );
  }, 20_000);

  test("of nobody shows nothing, and none shows everything", async () => {
    const search = { limit: 1000, before: null };
    expect(await store.search({ ...search, scope: new Set() })).toEqual({ entries: [], cursor: null });
    expect((await store.search({ ...search, scope: null })).entries.length).toBe(all.length);
  });
});
