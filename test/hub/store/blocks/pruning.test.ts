import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { append, exported, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const start = Date.UTC(2026, 5, 1, 12);
const day = 86_400_000;

function line(seq: number, ms: number, source: string, message = "x"): LogEntry {
  return { seq, at: timestamp(ms), source, stream: "stdout", level: "info", message };
}

/** Everything for two weeks. */
const twoWeeks = (now: number) => ({ since: () => now - 14 * day, shares: [], bytes: Infinity });

describe("retention", () => {
  // Before, a server whose clock was a century ahead could fill the store with lines that no age would ever reach.
  test("deletes lines of a clock that is ahead when what came with them is too old", async () => {
    let now = start;
    await using blocks = await openTestBlocks(() => now);
    let seq = 0;
    const ahead = Date.UTC(2100, 0, 1);
    for (let n = 0; n < 40; n++) {
      await append(blocks.store, "right", [line(seq++, now, "app", `day ${n}`)]);
      await append(blocks.store, "ahead", [line(seq++, ahead + n, "app", `day ${n}`)]);
      if (n % 3 === 0) await blocks.store.compact();
      await blocks.store.prune(twoWeeks(now));
      now += day;
    }
    const left = await exported(blocks.store);
    const days = (server: string) =>
      left.filter((one) => one.serverId === server).map((one) => Number(one.message.slice(4)));
    expect(days("right")).toEqual(Array.from({ length: 15 }, (_, i) => 25 + i));
    // blocks of several days go as a whole, and when something came is known to the day
    expect(days("ahead").length).toBeGreaterThanOrEqual(14);
    expect(days("ahead")[0]).toBeGreaterThanOrEqual(20);
  });

  // Before, each name stayed for ever: a container with a new name for each start filled what retention can't empty.
  test("forgets names that no line has any more, and gives them again", async () => {
    let now = start;
    await using blocks = await openTestBlocks(() => now);
    const names = (from: number) => Array.from({ length: 3000 }, (_, i) => line(from + i, now, `job-${from + i}`));
    await append(blocks.store, "s1", names(0));
    await append(blocks.store, "s2", [line(0, now, "app")]);
    await blocks.store.compact();
    now += 20 * day;
    await append(blocks.store, "s1", [line(3000, now, "job-7"), line(3001, now, "job-8")]);
    expect(await blocks.store.prune(twoWeeks(now))).toBe(3001);
    using database = new Database(blocks.store.file, { readonly: true });
    const stored = (table: string) =>
      database
        .query<{ name: string }, []>(`SELECT name FROM ${table} ORDER BY name`)
        .all()
        .map((row) => row.name);
    expect(stored("sources")).toEqual(["job-7", "job-8"]);
    await append(blocks.store, "s1", [line(3002, now, "job-9"), line(3003, now, "job-0")]);
    await append(blocks.store, "s2", [line(1, now, "app")]);
    await blocks.store.compact();
    expect(stored("sources")).toEqual(["app", "job-0", "job-7", "job-8", "job-9"]);
    expect(stored("origins")).toEqual(["s1", "s2"]);
    expect((await exported(blocks.store)).map((one) => one.source).toSorted()).toEqual([
      "app",
      "job-0",
      "job-7",
      "job-8",
      "job-9",
    ]);
    for await (const { problem } of blocks.store.check()) expect(problem).toBeNull();
    expect(blocks.failures).toEqual([]);
  });

  test("forgets what repair has put aside after a month", async () => {
    let now = start;
    await using blocks = await openTestBlocks(() => now);
    await append(blocks.store, "s1", [line(0, now, "app")]);
    await append(blocks.store, "s2", [line(0, now, "app")]);
    await blocks.store.compact();
    using database = new Database(blocks.store.file);
    database.run("UPDATE block_bodies SET body = x'00' WHERE block = 1");
    expect(await blocks.store.repair()).toMatchObject({ blocks: 1, lines: 1 });
    const aside = () => database.query<{ n: number }, []>("SELECT count(*) AS n FROM quarantine").get()?.n;
    now += 10 * day;
    await blocks.store.prune(twoWeeks(now));
    expect(aside()).toBe(1);
    now += 21 * day;
    await blocks.store.prune(twoWeeks(now));
    expect(aside()).toBe(0);
  });
});
