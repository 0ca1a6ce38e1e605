import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createFilters } from "#src/hub/api/routes/log-tail-batch.ts";
import { type LogTail, createLogTail, maxLag } from "#src/hub/api/routes/log-tail.ts";
import { createTailSource } from "#src/hub/api/routes/log-tail-source.ts";
import { createTailBudget } from "#src/hub/api/routes/tail-budget.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { Fault } from "#src/protocol/fault.ts";
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

  test("waits for lines that are stored and that its hub has not heard of yet", async () => {
    // Before, they were passed over and never shown: the log's end was known before the lines were
    const log = open();
    const tail = log.tail();
    tail.next();
    log.grow(5);
    expect(ids(await drain(tail, (text) => text !== ""))).toEqual(numbers(1, 5));
    log.logs.store(numbers(6, 9).map((id) => entry(id)));
    expect(tail.next()).toBeUndefined();
    log.logs.tell();
    log.logs.store([entry(10)]);
    log.logs.tell();
    expect(ids(await drain(tail, (text) => ids(text).length >= 5))).toEqual(numbers(6, 10));
    tail.close();
  });

  test("misses nothing because the store takes long to read, or is away for a while", async () => {
    // Before, a reader that waited for the store while lines came in was taken forward after 0.8 seconds
    const log = open();
    log.grow(50_000);
    let failures = 1;
    log.logs.reading = async () => {
      await Bun.sleep(1000);
      if (failures-- > 0) throw new Fault("unavailable", "it is away");
    };
    const tail = log.tail(20_000);
    tail.next();
    const pour = setInterval(() => log.grow(1), 20);
    const text = await drain(tail, (more) => more.includes("id: 50001\n"));
    clearInterval(pour);
    expect(text).not.toContain("event: skipped");
    expect(ids(text).slice(0, 30_001)).toEqual(numbers(20_001, 50_001));
    tail.close();
  });

  test("of some servers gets all of theirs, whoever else follows what, and wherever it resumes", async () => {
    const server = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("store" as const), server, count: fc.integer({ min: 1, max: 4 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("tell" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("open" as const), servers: fc.option(server), back: fc.nat(8) }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), which: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("read" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const log = open();
        const all: StoredEntry[] = [];
        type Open = { readonly tail: LogTail; readonly from: number; readonly of: string | null; text: string };
        const tails: Open[] = [];
        const put = (server: string, message: string) => {
          all.push({ ...entry(all.length + 1, message), serverId: server });
          log.logs.store(all.slice(-1));
        };
        const shut = (one: Open | undefined, upTo: number) => {
          one?.tail.close();
          const theirs = all.filter(
            ({ id, serverId }) => Number(id) > (one?.from ?? 0) && (one?.of ?? serverId) === serverId,
          );
          expect(ids(one?.text ?? "")).toEqual(theirs.map(({ id }) => Number(id)).slice(0, upTo));
        };
        for (const one of steps) {
          if (one.kind === "store") for (let i = 0; i < one.count; i++) put(one.server, "line");
          if (one.kind === "tell") log.logs.tell();
          if (one.kind === "open") {
            const from = Math.max(0, log.logs.head() - one.back);
            const selection = { ...everything, servers: one.servers === null ? null : [one.servers] };
            const tail = log.tail(from, selection);
            tails.push({ tail, from, of: one.servers, text: textOf(tail.next()) });
          }
          if (one.kind === "read") {
            await Bun.sleep(0);
            for (const open of tails) open.text += textOf(open.tail.next());
          }
          if (one.kind === "close") {
            const [closed] = tails.splice(one.which, 1);
            shut(closed, ids(closed?.text ?? "").length);
          }
        }
        for (const server of ["a", "b", "c"]) put(server, "the end");
        log.logs.tell();
        for (const open of tails) {
          const ends = open.of === null ? 3 : 1;
          open.text += await drain(open.tail, (text) => text.split("the end").length > ends);
          shut(open, Infinity);
        }
      }),
      { numRuns: 200 },
    );
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
