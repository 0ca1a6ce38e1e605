/**
 * How long searches of the embedded log store take: `bun test/bench/search.ts [--lines 5000000] [--dir D] [--runs 7]`.
 *
 * Fills a store with realistic access-log lines of ten sources, one hour of them, and asks through the public door,
 * threads included. Prints a JSON line a question: its first run, median and worst of those behind it in milliseconds, hits,
 * and how many blocks were opened. A folder that was filled already is used again, also one that store.ts left.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import type { BlockStore, EntrySearch } from "#src/hub/store/log-port.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { parseQuery } from "#src/protocol/query-parser.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { delivery } from "../hub/kit/delivery.ts";
import { beginMs, createLines, hourMs } from "./store-lines.ts";

const { values: options } = parseArgs({
  options: {
    lines: { type: "string", default: "5000000" },
    runs: { type: "string", default: "7" },
    dir: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const count = Number(options.lines);
const runs = Number(options.runs);
const server = "11111111-1111-4111-8111-111111111111";
const endMs = beginMs + hourMs;

async function fill(store: BlockStore): Promise<void> {
  const next = createLines(count);
  const batch = 2000;
  for (let from = 0; from < count; from += batch) {
    const lines = next(from, Math.min(count, from + batch));
    const entries = options.json ? lines.map(withStatus) : lines;
    await store.append(delivery(server, entries));
  }
  await store.compact();
}

function withStatus(entry: LogEntry): LogEntry {
  const status = Number(/" (\d{3}) /.exec(entry.message)?.[1]);
  return { ...entry, fields: { status } };
}

const nothing: LogSelection = {
  scope: null,
  servers: null,
  sources: null,
  streams: null,
  level: null,
  fromMs: null,
  toMs: null,
  query: { kind: "all" },
};

function ask(q: string, more: Partial<EntrySearch> = {}): EntrySearch {
  const { query, problem } = parseQuery(q);
  if (query === undefined) throw new Error(problem);
  return { ...nothing, query, order: "newest", limit: 100, cursor: null, budgetMs: null, ...more };
}

type Outcome = { readonly hits: number; readonly blocks?: number; readonly opened?: number };

async function search(store: BlockStore, asked: EntrySearch): Promise<Outcome> {
  let hits = 0;
  for await (const part of store.search(asked)) {
    if (part.kind === "hits") hits += part.entries.length;
    else if (part.kind === "end") return { hits, blocks: part.blocks, opened: part.opened };
  }
  throw new Error("the search did not end");
}

async function measure(what: string, barMs: number | null, run: () => Promise<Outcome>): Promise<void> {
  const times: number[] = [];
  // the first of its kind, with nothing of it at hand
  const began = performance.now();
  let outcome = await run();
  const firstMs = performance.now() - began;
  for (let i = 0; i < runs; i++) {
    const started = performance.now();
    outcome = await run();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  const round = (ms: number | undefined) => Math.round((ms ?? 0) * 100) / 100;
  const [median, worst] = [round(times[times.length >> 1]), round(times.at(-1))];
  const ok = barMs === null ? {} : { barMs, ok: median <= barMs };
  console.log(JSON.stringify({ what, first: round(firstMs), median, worst, ...ok, ...outcome }));
}

async function main(): Promise<void> {
  const folder = options.dir ?? mkdtempSync(join(tmpdir(), "orion-search-"));
  mkdirSync(folder, { recursive: true });
  const filled = existsSync(join(folder, "logs.db"));
  // what is a day old would be pressed harder
  const clock = { ...systemClock, now: () => endMs };
  const store = await openBlockStore(folder, clock, (error) => console.error(error));
  try {
    if (!filled) {
      const started = performance.now();
      await fill(store);
      console.log(JSON.stringify({ what: "fill", seconds: Math.round(performance.now() - started) / 1000 }));
    }
    const { lines, bytes, blocks } = store.sizes();
    console.log(JSON.stringify({ what: "store", lines, blocks, bytesPerLine: bytes / lines }));
    const sampled: { readonly message: string }[] = [];
    const middle = { limit: 3, toMs: endMs - hourMs / 2 };
    for await (const part of store.search(ask("", middle))) if (part.kind === "hits") sampled.push(...part.entries);
    const ip = /^\S+/.exec(sampled[0]?.message ?? "")?.[0] ?? "";
    const id = count > 250_000 ? "needle-250000" : "needle";
    const questions: readonly (readonly [string, number | null, EntrySearch])[] = [
      ["last 100 of a stream", 2, ask("", { sources: ["web3"] })],
      ["last 100 of all", null, ask("")],
      ["rare word", 15, ask("zebra")],
      ["rare id", 60, ask(id)],
      ["absent word", 15, ask("xylophone")],
      ["absent id", 60, ask("order-918273645")],
      ["one IP address", 60, ask(ip)],
      ["absent IP address", 60, ask("250.251.252.253")],
      ["five digits", 60, ask("/users/98765")],
      ["common word, last 100", null, ask("Googlebot")],
      ["level:error, last 100", null, ask("level:error")],
      ["phrase and not", null, ask('"GET /login" -curl level>=error')],
      ["regex without a literal, absent", 1500, ask("/\\d{6}x\\d/")],
      ["regex without a literal, last 100", null, ask("/[5]\\d\\d \\d{5} /")],
      ["three letters, absent", null, ask("zqj")],
      ["word without a filter, absent", null, ask("q9")],
    ];
    for (const [what, bar, asked] of questions) await measure(what, bar, () => search(store, asked));
    await measure("count per minute", 40, async () => ({ hits: (await store.histogram(nothing, 60_000, null)).total }));
    await measure("count per minute of a stream", 40, async () => {
      return { hits: (await store.histogram({ ...nothing, sources: ["web3"] }, 60_000, null)).total };
    });
    await measure("count of a common word per minute", null, async () => {
      return { hits: (await store.histogram({ ...nothing, query: ask("Googlebot").query }, 60_000, null)).total };
    });
    await measure("top sources", null, async () => {
      return { hits: (await store.top(nothing, "source", 10, null)).values.length };
    });
    if (options.json) await measure("field filter, last 100", null, () => search(store, ask("status:502")));
    await measure("context", null, async () => ({ hits: (await store.context(String(count >> 1), 20, 20)).length }));
  } finally {
    store.close();
    if (options.dir === undefined) rmSync(folder, { recursive: true });
  }
}

await main();
