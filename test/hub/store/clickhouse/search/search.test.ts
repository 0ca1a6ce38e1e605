/** Searches by way of threads, and what becomes of them when nobody waits or ClickHouse is not there. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { createClickhouseSearching } from "#src/hub/store/clickhouse/search/search.ts";
import type { EntrySearch, SearchPart } from "#src/hub/store/log-port.ts";
import { systemClock } from "#src/lib/clock.ts";
import { columnsOf } from "#src/protocol/columns/builder.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { parseQuery } from "#src/protocol/query-parser.ts";
import { type Clickhouse, haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { until } from "#test/kit/wait.ts";
import { type Table, openTable } from "./table.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const begin = 1_767_225_600_000;

function ask(q: string, more: Partial<EntrySearch> = {}): EntrySearch {
  const { query, problem } = parseQuery(q);
  if (query === undefined) throw new Error(problem);
  return {
    scope: null,
    servers: null,
    sources: null,
    streams: null,
    level: null,
    fromMs: null,
    toMs: null,
    query,
    order: "newest",
    limit: 100,
    cursor: null,
    budgetMs: null,
    ...more,
  };
}

async function all(parts: AsyncIterable<SearchPart>): Promise<SearchPart[]> {
  const found: SearchPart[] = [];
  for await (const part of parts) found.push(part);
  return found;
}

const hits = (parts: readonly SearchPart[]) => parts.flatMap((part) => (part.kind === "hits" ? part.entries : []));

describe.skipIf(!haveClickhouse)("searching in ClickHouse by threads (needs ClickHouse)", () => {
  let clickhouse: Clickhouse;
  let table: Table;

  beforeAll(async () => {
    clickhouse = await startClickhouse();
    table = await openTable(clickhouse);
    const entries = Array.from({ length: 2000 }, (_, i): LogEntry => {
      const at = new Date(begin + i).toISOString();
      const message =
        i === 1234 ? `größe ${"a".repeat(20_000)}` : `request ${i * 7919} of 10.${i % 256}.30.40 took ${i} ms`;
      return { seq: i + 1, at, source: "api", stream: "stdout", level: "info", message };
    });
    await table.insert(
      "s-1",
      1,
      columnsOf(
        entries,
        entries.map((_, i) => begin + i),
      ),
      begin,
    );
  });

  afterAll(async () => {
    await table[Symbol.asyncDispose]();
    await clickhouse[Symbol.asyncDispose]();
  });

  const open = (times = {}) =>
    createClickhouseSearching({ client: table.client, url: table.url, clock: systemClock, warn() {}, times });

  test("gives what is found, and ends", async () => {
    const store = open();
    const parts = await all(store.search(ask("10.77.30.40", { limit: 3 })));
    expect(hits(parts).map(({ seq }) => seq)).toEqual([1870, 1614, 1358]);
    expect(parts.at(-1)).toMatchObject({ kind: "end", stoppedEarly: null, cursor: `${begin + 1357}.1358` });
    expect((await store.histogram(ask("took"), 1000, null)).total).toBe(1999);
    expect((await store.context("1000", 1, 1)).map(({ id }) => id)).toEqual(["999", "1000", "1001"]);
    await store.close();
    expect(all(store.search(ask("")))).rejects.toThrow("the store is closed");
  });

  test("ends when it is aborted, and the thread goes on with others", async () => {
    const store = open();
    expect(await all(store.search(ask(""), AbortSignal.abort()))).toEqual([]);
    await clickhouse.misbehave("hold", 1, "FROM logs WHERE");
    const stop = new AbortController();
    const waiting = all(store.search(ask(""), stop.signal));
    await until(async () => (await clickhouse.held()) === 1, "the question to be held");
    expect(hits(await all(store.search(ask("", { limit: 5 }))))).toHaveLength(5);
    stop.abort();
    expect(await waiting).toEqual([]);
    await clickhouse.behave();
    await store.close();
  });

  test("stops at its limit of time, and goes on from there", async () => {
    const store = open();
    const found: number[] = [];
    let cursor: string | null = null;
    do {
      const parts = await all(store.search(ask("/took (?=\\d+)/", { budgetMs: 1, limit: 700, cursor })));
      found.push(...hits(parts).map(({ seq }) => seq));
      const end = parts.at(-1);
      cursor = end?.kind === "end" ? end.cursor : null;
    } while (cursor !== null);
    expect(found).toEqual(Array.from({ length: 2000 }, (_, i) => 2000 - i).filter((seq) => seq !== 1235));
    await store.close();
  });

  test("counts what it can within a limit of time, and says that it is a part", async () => {
    const store = open();
    const counted = await store.histogram(ask(""), 1000, 0.01);
    expect(counted.partial).toBe(true);
    expect(counted.total).toBeLessThanOrEqual(2000);
    const sifted = await store.histogram(ask("/took (?=\\d)/"), 1000, 1);
    expect(sifted.partial || sifted.total === 1999).toBe(true);
    // an answer that is whole before anybody has looked at the clock is whole
    await clickhouse.misbehave("hold", 1, "SELECT server, source, at,");
    expect(await store.top(ask(""), "message", 10, 0.01)).toEqual({ values: [], partial: true });
    await clickhouse.behave();
    expect(await store.top(ask("größe"), "source", 10, 60_000)).toEqual({
      values: [{ value: "api", count: 1 }],
      partial: false,
    });
    await store.close();
  });

  test("says so while ClickHouse is away, and works when it is back", async () => {
    const store = open();
    await clickhouse.stop();
    const failed = await all(store.search(ask(""))).catch((error: unknown) => error);
    expect(failed instanceof Fault ? failed.code : failed).toBe("unavailable");
    await clickhouse.start();
    expect(hits(await all(store.search(ask("took", { limit: 7 }))))).toHaveLength(7);
    await store.close();
  });

  test("is ended when an expression hangs, and others go on", async () => {
    const store = open({ stuckMs: 2000, checkMs: 50 });
    const query = { kind: "regex", source: "a*a*a*a*a*a*b(?=x)", flags: "" } as const;
    expect(all(store.search({ ...ask(""), query }))).rejects.toThrow("takes too long");
    await all(store.search({ ...ask(""), query })).catch(() => undefined);
    expect(hits(await all(store.search(ask("", { limit: 5 }))))).toHaveLength(5);
    await store.close();
  });
});
