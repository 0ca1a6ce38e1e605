/** Searches of a real store, through threads. */
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { join } from "node:path";

import type { BlockStore, EntrySearch, SearchPart } from "#src/hub/store/log-port.ts";
import { createPool } from "#src/hub/store/search/pool.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { selectorOf } from "#src/protocol/query-match.ts";
import type { LogSelection, Query } from "#src/protocol/query.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";
import { lines, selections } from "./arbitrary.ts";
import type { Line } from "./memory-reader.ts";

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

async function openStore() {
  const folder = temporaryFolder();
  const store = await openBlockStore(folder.path, systemClock, (error) => {
    throw error;
  });
  return {
    store,
    file: join(folder.path, "logs.db"),
    async [Symbol.asyncDispose]() {
      store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function append(store: BlockStore, serverId: string, entries: readonly LogEntry[]): Promise<void> {
  await store.append(delivery(serverId, entries));
}

const plain = (seq: number, message: string, more: Partial<LogEntry> = {}): LogEntry => ({
  seq,
  at: new Date(1_767_225_600_000 + seq).toISOString(),
  source: "api",
  stream: "stdout",
  level: "info",
  message,
  ...more,
});

const search = (more: Partial<EntrySearch> = {}): EntrySearch => ({
  ...everything,
  order: "newest",
  limit: 1000,
  cursor: null,
  budgetMs: null,
  ...more,
});

async function hits(store: BlockStore, asked: EntrySearch): Promise<StoredEntry[]> {
  const entries: StoredEntry[] = [];
  for await (const part of store.search(asked)) if (part.kind === "hits") entries.push(...part.entries);
  return entries;
}

async function all<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const part of parts) found.push(part);
  return found;
}

test("any query over any entries finds what filtering a plain array finds, before and after compaction", async () => {
  const asked = fc.array(selections, { minLength: 4, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(lines, fc.integer({ min: 1, max: 20 }), asked, async (stored, size, selected) => {
      await using opened = await openStore();
      const { store } = opened;
      const expected: Line[] = [];
      for (let from = 0; from < stored.length; from += size) {
        const groups = Map.groupBy(stored.slice(from, from + size), ({ entry }) => entry.serverId);
        for (const [serverId, group] of groups) {
          const entries = group.map(({ entry: { id: _, serverId: __, ...entry } }) => entry);
          await append(store, serverId, entries);
          for (const { entry, ms } of group)
            expected.push({ entry: { ...entry, id: String(expected.length + 1) }, ms });
        }
      }
      for (const compacted of [false, true]) {
        if (compacted) await store.compact();
        for (const selection of selected) {
          const matches = selectorOf(selection);
          const wanted = expected
            .filter(({ entry }) => matches(entry))
            .toSorted((a, b) => b.ms - a.ms || Number(b.entry.id) - Number(a.entry.id));
          const ids = wanted.map(({ entry }) => entry.id);
          expect((await hits(store, search(selection))).map(({ id }) => id)).toEqual(ids);
          const oldest = await hits(store, search({ ...selection, order: "oldest" }));
          expect(oldest).toEqual(wanted.toReversed().map(({ entry }) => entry));
          expect((await store.histogram(selection, null, null)).total).toBe(ids.length);
        }
      }
    }),
    { numRuns: 25 },
  );
}, 60_000);

/** A store with a block of ordinary lines for each of these servers. */
async function fill(store: BlockStore, servers: readonly string[], each = 300): Promise<void> {
  let seq = 0;
  for (const server of servers) {
    const entries = Array.from({ length: each }, () => plain(++seq, `request ${seq * 7919} took ${seq} ms`));
    await append(store, server, entries);
  }
  await store.compact();
}

describe("a search", () => {
  test("opens no block whose filter rules it out", async () => {
    await using opened = await openStore();
    await fill(opened.store, ["a", "b", "c"]);
    await append(opened.store, "d", [plain(5000, "an unlucky needle of 10.20.30.40")]);
    await opened.store.compact();
    for (const text of ["needle", "10.20.30.40", "xylophone"]) {
      const query: Query = { kind: "text", text, caseSensitive: false };
      const end = (await all(opened.store.search(search({ query })))).at(-1);
      expect(end).toMatchObject({ kind: "end", blocks: 4, opened: text === "xylophone" ? 0 : 1 });
    }
  });

  test("ends when it is aborted", async () => {
    await using opened = await openStore();
    await fill(opened.store, ["a"]);
    const aborted = AbortSignal.abort();
    expect(await all(opened.store.search(search(), aborted))).toEqual([]);
    const stop = new AbortController();
    const parts: SearchPart[] = [];
    for await (const part of opened.store.search(search({ limit: 1 }), stop.signal)) {
      parts.push(part);
      stop.abort();
    }
    expect(parts.length).toBeLessThanOrEqual(2);
  });

  test("passes over a damaged block and says so", async () => {
    await using opened = await openStore();
    await fill(opened.store, ["a", "b"]);
    {
      using database = new Database(opened.file);
      const row = database
        .query<{ block: number; body: Uint8Array }, []>("SELECT block, body FROM block_bodies LIMIT 1")
        .get();
      if (row === null) throw new Error("there is no block");
      row.body[row.body.length >> 1] = (row.body[row.body.length >> 1] ?? 0) ^ 1;
      database.run("UPDATE block_bodies SET body = ? WHERE block = ?", [row.body, row.block]);
    }
    const parts = await all(opened.store.search(search()));
    expect(parts.at(-1)).toMatchObject({ kind: "end", damaged: 1 });
    expect(parts.flatMap((part) => (part.kind === "hits" ? part.entries : []))).toHaveLength(300);
    expect((await opened.store.top(everything, "message", 1, null)).partial).toBe(true);
  });

  test("says what is wrong with a cursor", async () => {
    await using opened = await openStore();
    expect(all(opened.store.search(search({ cursor: "x" })))).rejects.toThrow(
      "cursor is not one that this hub gave out",
    );
  });
});

test("an export has every entry once, in order", async () => {
  await using opened = await openStore();
  await fill(opened.store, ["a", "b"], 6000);
  const text = Buffer.concat(await all(opened.store.export(everything))).toString();
  const seqs = text
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as StoredEntry).seq);
  expect(seqs).toEqual(Array.from({ length: 12_000 }, (_, i) => i + 1));
});

test("context goes beyond a block", async () => {
  await using opened = await openStore();
  await fill(opened.store, ["a"], 20);
  await append(
    opened.store,
    "a",
    Array.from({ length: 20 }, (_, i) => plain(21 + i, "later")),
  );
  const found = await opened.store.context("20", 3, 3);
  expect(found.map(({ seq }) => seq)).toEqual([17, 18, 19, 20, 21, 22, 23]);
});

describe("threads", () => {
  test("end when nothing is asked of them, and start again", async () => {
    await using opened = await openStore();
    await fill(opened.store, ["a"]);
    const pool = createPool(opened.file, { idleMs: 20, checkMs: 10 });
    const job = { kind: "context", id: "1", before: 0, after: 0 } as const;
    expect(await pool.run(job, () => undefined)).toHaveLength(1);
    await until(() => pool.threads() === 0, "no thread to be left");
    expect(await pool.run(job, () => undefined)).toHaveLength(1);
    pool.close();
  });

  test("are ended when an expression hangs, and others go on", async () => {
    await using opened = await openStore();
    await append(opened.store, "s-1", [plain(1, "a".repeat(20_000))]);
    const pool = createPool(opened.file, { stuckMs: 300, checkMs: 20 });
    const query: Query = { kind: "regex", source: "a*a*a*a*a*a*b", flags: "" };
    const hung = pool.run({ kind: "search", search: search({ query }) }, () => undefined);
    expect(hung).rejects.toThrow("the search hung in an expression that takes too long");
    await hung.catch(() => undefined);
    expect(await pool.run({ kind: "context", id: "1", before: 0, after: 0 }, () => undefined)).toHaveLength(1);
    pool.close();
  });
});
