import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createFilters } from "#src/hub/api/routes/log-tail-batch.ts";
import { type LogTail, createLogTail, maxLag } from "#src/hub/api/routes/log-tail.ts";
import { createTailSource } from "#src/hub/api/routes/log-tail-source.ts";
import { createTailBudget } from "#src/hub/api/routes/tail-budget.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { selectorOf } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { until } from "#test/kit/wait.ts";
import { lines, selections } from "../../store/search/arbitrary.ts";
import { createArrivals } from "./arrivals.ts";

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

const entry = (id: number, message = `line ${id}`): StoredEntry => ({
  id: String(id),
  serverId: "s",
  seq: id,
  at: "2026-01-01T00:00:00.000Z",
  source: "api",
  stream: "stdout",
  level: "info",
  message,
});
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A log, and tails of it that share what they can. */
function open(now?: () => number) {
  const logs = createArrivals();
  const budget = createTailBudget(now);
  const source = createTailSource(logs, budget);
  const filters = createFilters(logs);
  return {
    logs,
    budget,
    grow(count: number) {
      const head = logs.head();
      for (let from = head + 1; from <= head + count; from += 5000)
        logs.arrive(numbers(from, Math.min(from + 4999, head + count)).map((id) => entry(id)));
    },
    tail(from = 0, selection = everything, maySee: (serverId: string) => boolean = () => true) {
      const { filter, done } = filters.use(selection);
      return createLogTail({ source, filterNow: () => filter, servers: () => selection.servers, maySee, done }, from);
    },
  };
}

const textOf = (text: string | Uint8Array | undefined) => (text === undefined ? "" : Buffer.from(text).toString());
const ids = (text: string) => [...text.matchAll(/^id: (\d+)\nevent: log$/gm)].map(([, id]) => Number(id));
const entriesOf = (text: string) =>
  [...text.matchAll(/^event: log\ndata: (.+)$/gm)].map(([, data]) => JSON.parse(data ?? "") as StoredEntry);

/** All that a tail has to give now, as a stream asks for it. */
async function drain(tail: LogTail, enough: (text: string) => boolean): Promise<string> {
  let text = "";
  while (!enough(text)) {
    const next = tail.next();
    if (next === undefined) await tail.wait();
    else text += textOf(next);
  }
  return text;
}

describe("a tail", () => {
  test("gives each line once, in order, and what came before it was opened", async () => {
    const log = open();
    log.grow(700);
    const tail = log.tail();
    expect(textOf(tail.next())).toContain("event: ready");
    log.grow(500);
    expect(ids(await drain(tail, (text) => ids(text).length >= 1200))).toEqual(numbers(1, 1200));
    expect(tail.next()).toBeUndefined();
    expect(log.logs.listeners()).toBe(1);
    tail.close();
    expect(log.logs.listeners()).toBe(0);
  });

  test("gives what filtering a plain array gives, wherever it resumes and whatever arrives together", async () => {
    const cases = fc.record({
      all: lines.filter((some) => some.length > 0),
      selection: selections,
      from: fc.nat(70),
      cuts: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
      before: fc.nat(60),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ all, selection, from, cuts, before }) => {
        const log = open();
        const wanted = selectorOf({ ...selection, scope: null });
        const batches: StoredEntry[][] = [];
        for (let at = 0, i = 0; at < all.length; i++) {
          const serverId = all[at]?.entry.serverId ?? "";
          const stretch = all.slice(at, at + (cuts[i % cuts.length] ?? 1)).map((line) => line.entry);
          const length = Math.max(
            1,
            stretch.findIndex((one) => one.serverId !== serverId),
          );
          batches.push(stretch.every((one) => one.serverId === serverId) ? stretch : stretch.slice(0, length));
          at += batches.at(-1)?.length ?? 1;
        }
        const last = entry(all.length + 1, "the end");
        for (const batch of batches.slice(0, before)) log.logs.arrive(batch);
        const start = Math.min(from, log.logs.head());
        const tail = log.tail(from, { ...selection, query: { kind: "or", parts: [selection.query, theEnd] } });
        for (const batch of batches.slice(before)) log.logs.arrive(batch);
        const ends = { ...last, serverId: selection.servers?.[0] ?? "s" };
        const sure = { ...ends, at: new Date(selection.fromMs ?? (selection.toMs ?? 1) - 1).toISOString() };
        log.logs.arrive([
          {
            ...sure,
            source: selection.sources?.[0] ?? "api",
            stream: selection.streams?.[0] ?? "stdout",
            level: "fatal",
          },
        ]);
        const possible = [selection.servers, selection.sources, selection.streams].every((some) => some?.length !== 0);
        const inTime = selection.fromMs === null || selection.toMs === null || selection.fromMs < selection.toMs;
        if (possible && inTime) {
          const found = entriesOf(await drain(tail, (text) => text.includes("the end")));
          const expected = all.map((line) => line.entry).filter((one) => Number(one.id) > start && wanted(one));
          expect(found.slice(0, -1)).toEqual(expected);
        }
        tail.close();
      }),
      { numRuns: 300 },
    );
  });

  test("shows no entries of servers that its reader may not see", async () => {
    const log = open();
    const tail = log.tail(0, everything, (serverId) => serverId === "mine");
    tail.next();
    log.logs.arrive([{ ...entry(1), serverId: "other" }]);
    log.logs.arrive([{ ...entry(2), serverId: "mine" }]);
    expect(ids(await drain(tail, (text) => text !== ""))).toEqual([2]);
    tail.close();
  });

  test("that is too far behind is taken forward and told which lines it missed", async () => {
    const log = open();
    const tail = log.tail();
    tail.next();
    log.grow(maxLag + 5000);
    expect(textOf(tail.next())).toContain(`data: {"lines":${maxLag},"from":"1","to":"${maxLag}"}`);
    expect(ids(await drain(tail, (text) => text !== ""))[0]).toBe(maxLag + 1);
    tail.close();
  });

  test("reads from the store what is no longer at hand, without gap or repeat", async () => {
    const log = open();
    log.grow(40_000);
    const tails = [log.tail(10), log.tail(20_000), log.tail(39_990)];
    log.grow(10);
    const found = await Promise.all(
      tails.map(async (tail) => ids(await drain(tail, (text) => text.includes("id: 40010\n")))),
    );
    expect(found.map((all) => [all[0], all.length])).toEqual([
      [11, 40_000],
      [20_001, 20_010],
      [39_991, 20],
    ]);
    for (const all of found) expect(all).toEqual(numbers(all[0] ?? 0, 40_010));
    for (const tail of tails) tail.close();
  });

  test("that nothing is for is told where it is, to resume from there", async () => {
    const log = open();
    const tail = log.tail(0, { ...everything, query: { kind: "text", text: "xylophone", caseSensitive: false } });
    tail.next();
    log.grow(60_000);
    expect(await drain(tail, (text) => text !== "")).toBe("id: 60000\n\n");
    tail.close();
  });

  test("ends when its query takes too long, or fails", async () => {
    const log = open();
    const tail = log.tail();
    tail.next();
    const arrivalTest = log.logs.arrivalTest.bind(log.logs);
    log.logs.arrivalTest = (selection) => (arrived) => {
      Bun.sleepSync(1100);
      return arrivalTest(selection)(arrived);
    };
    const slow = log.tail(0, { ...everything, level: "debug" });
    log.logs.arrivalTest = () => () => {
      throw new Error("no such thing");
    };
    const broken = log.tail(0, { ...everything, level: "info" });
    for (const one of [slow, broken]) one.next();
    log.grow(1);
    expect(await drain(slow, (text) => text !== "")).toContain("takes too long");
    expect(await drain(broken, (text) => text !== "")).toContain("the log can't be followed: no such thing");
    expect([tail.ended(), slow.ended(), broken.ended()]).toEqual([false, true, true]);
    expect([slow.next(), broken.next()]).toEqual([undefined, undefined]);
    for (const one of [tail, slow, broken]) one.close();
  });

  test("ends when the log can't be read, and another one tries again", async () => {
    const log = open();
    log.grow(10);
    const arrivalsAfter = log.logs.arrivalsAfter.bind(log.logs);
    const failing = { next: () => Promise.reject(new Error("disk I/O error")) };
    log.logs.arrivalsAfter = () => ({ [Symbol.asyncIterator]: () => failing });
    const tail = log.tail();
    tail.next();
    expect(await drain(tail, (text) => text !== "")).toContain("the log can't be read: disk I/O error");
    log.logs.arrivalsAfter = arrivalsAfter;
    const other = log.tail();
    expect(ids(await drain(other, (text) => ids(text).length > 0))).toEqual(numbers(1, 10));
    tail.close();
    other.close();
  });
});

const theEnd = { kind: "text", text: "the end", caseSensitive: true } as const;

describe("many tails", () => {
  test("of one filter have it tested once, and each entry written once", async () => {
    const log = open();
    const tails = Array.from({ length: 50 }, () => log.tail());
    for (const tail of tails) tail.next();
    log.grow(100);
    const found = await Promise.all(tails.map(async (tail) => ids(await drain(tail, (text) => text !== ""))));
    for (const all of found) expect(all).toEqual(numbers(1, 100));
    expect(log.logs.tested).toHaveLength(1);
    expect(log.logs.written).toEqual(numbers(1, 100));
    for (const tail of tails) tail.close();
  });

  test("wait for their share of the time while lines come in, and then go on where they were", async () => {
    let now = 0;
    const log = open(() => now);
    const tail = log.tail();
    tail.next();
    log.grow(10);
    log.budget.looking.spend(1000);
    expect(tail.next()).toBeUndefined();
    now = 100;
    expect(tail.next()).toBeUndefined();
    // its share of a while is time again
    now = 2000;
    expect(ids(textOf(tail.next()))).toHaveLength(10);
    tail.close();
  });

  test("whose readers wait for too long, because the hub has no time, are taken to what comes now", async () => {
    let now = 0;
    const log = open(() => now);
    const tail = log.tail();
    tail.next();
    // what comes in leaves nothing for tails
    const pour = setInterval(() => {
      log.grow(5);
      log.budget.looking.spend(1000);
      now++;
    }, 20);
    const waited = tail.wait();
    await until(() => log.logs.head() > 400, "lines");
    clearInterval(pour);
    now += 2000;
    log.grow(5);
    const text = await waited.then(() => textOf(tail.next()));
    expect(text).toContain("event: skipped");
    expect(ids(await drain(tail, (more) => more !== ""))[0]).toBeGreaterThan(300);
    tail.close();
  });
});
