import { expect, setDefaultTimeout, test } from "bun:test";

import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { append, arrived, arrivedEntries, followed, openTestBlocks } from "./open.ts";

setDefaultTimeout(60_000);

const line = (seq: number, message: string, rest: Partial<LogEntry> = {}): LogEntry => ({
  seq,
  at: "2026-01-01T00:00:00.000Z",
  source: "web",
  stream: "stdout",
  level: "info",
  message,
  ...rest,
});

test("a follower is told of what is new of each delivery once it is durable, in order, before its sender", async () => {
  await using blocks = await openTestBlocks();
  const told: StoredEntry[] = [];
  const cancel = blocks.store.onArrival((one) => {
    expect(one.firstPosition + one.columns.count - 1).toBeLessThanOrEqual(blocks.store.head());
    told.push(...arrivedEntries(one));
  });
  const answers = await Promise.all([
    append(blocks.store, "s1", [line(1, "one"), line(2, "two\nlines", { fields: { a: 1 } })]),
    append(blocks.store, "s2", [line(1, "Ünï", { source: "db", level: "error", at: "2026-01-01T00:00:00Z" })]),
    append(blocks.store, "s1", [line(2, "again"), line(3, "\ud800 three")]),
  ]);
  expect(answers.map(({ accepted }) => accepted)).toEqual([2, 1, 1]);
  expect(told).toEqual(arrived(blocks.store));
  expect(told.map((one) => one.message)).toEqual(["one", "two\nlines", "Ünï", "\ud800 three"]);
  cancel();
  await append(blocks.store, "s1", [line(4, "four")]);
  expect(told.length).toBe(4);
});

test("a follower that throws keeps neither the others nor the store from going on", async () => {
  await using blocks = await openTestBlocks();
  let told = 0;
  blocks.store.onArrival(() => {
    throw new Error("a follower's own fault");
  });
  blocks.store.onArrival(({ columns }) => void (told += columns.count));
  expect(await append(blocks.store, "s1", [line(1, "one")])).toEqual({ accepted: 1, duplicates: 0 });
  expect(told).toBe(1);
  expect(blocks.failures.map(String)).toEqual(["Error: a follower's own fault"]);
});

test("older arrivals are read in order from deliveries and blocks alike, between any two positions", async () => {
  await using blocks = await openTestBlocks();
  for (let n = 0; n < 30; n++) {
    for (const server of ["s1", "s2"]) {
      // by time the other way round than they arrive
      const entries = Array.from({ length: 50 }, (_, i) =>
        line(n * 50 + i, `${server} ${n} ${i}`, {
          at: new Date(1e12 - (n * 50 + i) * 1000).toISOString(),
          source: `s${i % 3}`,
        }),
      );
      await append(blocks.store, server, entries);
    }
    if (n === 20) await blocks.store.compact();
  }
  const whole = arrived(blocks.store);
  expect(whole.length).toBe(3000);
  expect(await followed(blocks.store)).toEqual(whole);
  expect(await followed(blocks.store, 1234, 2345)).toEqual(whole.slice(1234, 2345));
  expect(await followed(blocks.store, 3000)).toEqual([]);
});
