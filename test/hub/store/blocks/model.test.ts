import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { probeOf } from "#src/hub/store/blocks/filter.ts";
import type { EntrySearch, Order } from "#src/hub/store/log-port.ts";
import { find } from "#src/hub/store/search/find.ts";
import { timestamp } from "#src/lib/clock.ts";
import { parseInstant } from "#src/lib/instant.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { type LogEntry, levels, streams } from "#src/protocol/log.ts";
import { selectorOf } from "#src/protocol/query-match.ts";
import type { LogSelection, Query } from "#src/protocol/query.ts";
import { type TestBlocks, append, arrived, byTime, everything, exported, followed, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const day = 86_400_000;
const start = Date.UTC(2026, 0, 1);

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.constantFrom("", "two\nlines", "10.20.30.40 said 84213", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "\ud800 alone"),
  fc
    .array(fc.constantFrom("error", "10.0.0.1", "4711", "Ünïcode", "12345678", "a1b2c3d4", "::1"), { maxLength: 6 })
    .map((words) => words.join(" ")),
);

const entry = fc.record({
  ms: fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 3 * day })),
  written: fc.constantFrom("ms", "s", "us"),
  source: fc.constantFrom("api", "web", "db"),
  stream: fc.constantFrom(...streams),
  level: fc.constantFrom(...levels),
  message: text,
  fields: fc.option(fc.dictionary(fc.constantFrom("a", "b", "__proto__"), fc.jsonValue(), { maxKeys: 2 }), {
    nil: undefined,
    freq: 4,
  }),
});

const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      server: fc.constantFrom("s1", "s2"),
      entries: fc.array(entry, { maxLength: 12 }),
      repeat: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("many" as const),
      server: fc.constantFrom("s1", "s2"),
      entry,
      count: fc.integer({ min: 500, max: 1500 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom<"compact" | "reopen" | "kill">("compact", "reopen", "kill") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("prune" as const), beforeMs: fc.integer({ min: 0, max: 3 * day }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("limit" as const),
      server: fc.constantFrom("s1", "s2"),
      bytes: fc.nat(60_000),
      all: fc.option(fc.integer({ min: 200_000, max: 500_000 }), { nil: Infinity }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("ask" as const),
      selection: fc.record({
        scope: fc.option(
          fc.subarray(["s1", "s2"]).map((ids) => new Set(ids)),
          { nil: null },
        ),
        servers: fc.constantFrom(null, ["s1"], ["s1", "s2"]),
        sources: fc.constantFrom(null, ["web"], ["api", "db"]),
        streams: fc.option(fc.subarray([...streams]), { nil: null }),
        level: fc.option(fc.constantFrom(...levels), { nil: null }),
        fromMs: fc.option(fc.integer({ min: start, max: start + 3 * day }), { nil: null }),
        toMs: fc.option(fc.integer({ min: start, max: start + 3 * day }), { nil: null }),
        query: fc.constantFrom<Query>(
          { kind: "all" },
          { kind: "text", text: "error", caseSensitive: false },
          { kind: "text", text: "10.0.0.1", caseSensitive: true },
          { kind: "text", text: "12345678", caseSensitive: true },
          { kind: "text", text: "absent-from-all", caseSensitive: false },
          { kind: "regex", source: "\\d{4} \\d+$", flags: "" },
          { kind: "not", part: { kind: "text", text: "a1b2c3d4", caseSensitive: false } },
          { kind: "field", path: "a", test: { kind: "exists" } },
        ),
      }),
      order: fc.constantFrom<Order>("newest", "oldest"),
      limit: fc.integer({ min: 1, max: 700 }),
    }),
  },
);

/** JSON has no lone `__proto__`: fields are as a wire would bring them. */
const asSent = (one: LogEntry): LogEntry => JSON.parse(JSON.stringify(one)) as LogEntry;

function write(ms: number, form: string): string {
  const whole = timestamp(start + ms);
  if (form === "s" && whole.endsWith(".000Z")) return whole.replace(".000Z", "Z");
  return form === "us" ? whole.replace("Z", "250Z") : whole;
}

describe("a store of blocks", () => {
  test("gives what a plain array gives, whatever is appended, compacted, pruned, killed and reopened in which order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 14 }), async (operations) => {
        await using blocks = await openTestBlocks(() => start + 2 * day);
        let model: StoredEntry[] = [];
        const next = new Map<string, number>();
        let position = 0;

        async function add(server: string, lines: readonly Omit<LogEntry, "seq">[], repeat: number): Promise<void> {
          const first = next.get(server) ?? 0;
          const from = Math.max(0, first - repeat);
          // what is repeated is other text under the same numbers: it must not be taken
          const sent = lines.map((line, i) => asSent({ ...line, seq: from + i }));
          const answer = await append(blocks.store, server, sent);
          const fresh = sent.filter((line) => line.seq >= first);
          expect(answer).toEqual({ accepted: fresh.length, duplicates: sent.length - fresh.length });
          for (const line of fresh) model.push({ ...line, id: String(++position), serverId: server });
          next.set(server, Math.max(first, from + lines.length));
        }

        for (const one of operations) {
          if (one.kind === "append") {
            await add(
              one.server,
              one.entries.map(({ ms, written, fields, ...rest }) => ({
                ...rest,
                at: write(ms, written),
                ...(fields === undefined ? {} : { fields }),
              })),
              one.repeat,
            );
          } else if (one.kind === "many") {
            const { ms, written, fields: _, ...rest } = one.entry;
            await add(
              one.server,
              Array.from({ length: one.count }, (_, i) => ({
                ...rest,
                message: `${rest.message} ${i}`,
                at: write(ms + i, written),
              })),
              0,
            );
          } else if (one.kind === "compact") await blocks.store.compact();
          else if (one.kind === "reopen") await blocks.reopen();
          else if (one.kind === "kill") await blocks.kill();
          else if (one.kind === "prune") {
            const before = start + one.beforeMs;
            const lines = await blocks.store.prune({ since: () => before, shares: [], bytes: Infinity });
            const left = new Set((await exported(blocks.store)).map((kept) => kept.id));
            const gone = model.filter((kept) => !left.has(kept.id));
            expect(gone.length).toBe(lines);
            // only what is too old goes, and what shares a day with nothing younger goes for certain
            expect(gone.every((kept) => parseInstant(kept.at) < before)).toBe(true);
            expect(model.some((kept) => left.has(kept.id) && parseInstant(kept.at) < before - day)).toBe(false);
            model = model.filter((kept) => left.has(kept.id));
          } else if (one.kind === "limit") {
            const { server, bytes, all } = one;
            const shares = [{ serverIds: new Set([server]), bytes }];
            const lines = await blocks.store.prune({ since: () => -Infinity, shares, bytes: all });
            const left = new Set((await exported(blocks.store)).map((kept) => kept.id));
            const gone = model.filter((kept) => !left.has(kept.id));
            expect(gone.length).toBe(lines);
            if (all === Infinity) expect(gone.every((kept) => kept.serverId === server)).toBe(true);
            else if (left.size > 0) expect(blocks.store.sizes().bytes).toBeLessThanOrEqual(all);
            model = model.filter((kept) => left.has(kept.id));
          } else if (one.kind === "ask") await ask(blocks, model, one);
        }
        await agree(blocks, model);
        await blocks.store.compact();
        await agree(blocks, model);
      }),
      { numRuns: 25 },
    );
  });
});

type Asked = { readonly selection: LogSelection; readonly order: Order; readonly limit: number };

/** Every page of a search, against the model filtered. */
async function ask({ store }: TestBlocks, model: readonly StoredEntry[], { selection, order, limit }: Asked) {
  const wanted = byTime(model.filter(selectorOf(selection)));
  const found: StoredEntry[] = [];
  let cursor: string | null = null;
  do {
    const before = found.length;
    const search: EntrySearch = { ...selection, order, limit, cursor, budgetMs: null };
    cursor = null;
    for (const part of find(store.reader, search)) {
      if (part?.kind === "hits") found.push(...part.entries);
      else if (part?.kind === "end") ({ cursor } = part);
    }
    expect(found.length - before).toBeLessThanOrEqual(limit);
  } while (cursor !== null);
  expect(found).toEqual(order === "newest" ? wanted.toReversed() : wanted);
}

async function agree({ store, failures }: TestBlocks, model: readonly StoredEntry[]): Promise<void> {
  expect(await exported(store)).toEqual(byTime(model));
  expect(arrived(store)).toEqual([...model]);
  expect(await followed(store)).toEqual([...model]);
  const middle = Math.floor(store.head() / 2);
  expect(await followed(store, middle)).toEqual(model.filter((one) => Number(one.id) > middle));
  expect(
    await exported(store, { ...everything, servers: ["s1"], sources: ["web"] }).then((all) =>
      all.filter((one) => one.source === "web"),
    ),
  ).toEqual(byTime(model.filter((one) => one.serverId === "s1" && one.source === "web")));
  expect(store.sizes().lines).toBe(model.length);
  for await (const { problem } of store.check()) expect(problem).toBeNull();
  using snapshot = store.reader.snapshot();
  for (const kept of model.slice(0, 5)) {
    const found = snapshot.find(Number(kept.id));
    expect(found?.columns.entry(found.index)).toEqual(kept);
  }
  for (const order of ["newest", "oldest"] as const) {
    const edges = [...snapshot.pieces(everything, order)].map((piece) =>
      order === "newest" ? -piece.lastMs : piece.firstMs,
    );
    expect(edges).toEqual(edges.toSorted((a, b) => a - b));
  }
  for (const piece of snapshot.pieces(everything, "newest")) {
    const columns = snapshot.open(piece);
    expect(columns.count).toBe(piece.lines);
    for (let i = 0; i < Math.min(columns.count, 20); i++) {
      const message = columns.text.toString("utf8", columns.offsets[i], (columns.offsets[i + 1] ?? 0) - 1);
      expect(message).toBe(columns.message(i).toWellFormed());
      for (let from = 0; from < Math.min(message.length, 12); from += 3) {
        for (const literal of [message.slice(from), message.slice(from, from + 9).toUpperCase()]) {
          if (!message.toLowerCase().includes(literal.toLowerCase())) continue;
          expect(snapshot.mayHold(piece, probeOf(literal))).toBe(true);
        }
      }
    }
    const counts = snapshot.counts(piece);
    if (counts !== null) expect(counts.counts.reduce((sum, n) => sum + n, 0)).toBe(piece.lines);
  }
  expect(failures).toEqual([]);
}
