import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { openEmbeddedLogTarget } from "#src/hub/store/migrate/embedded-logs.ts";
import type { LogTarget } from "#src/hub/store/migrate/logs.ts";
import { nameOfKey } from "#src/hub/store/migrate/log-sums.ts";
import { differencesOf } from "#src/hub/store/migrate/sums.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { numbered } from "../blocks/numbered.ts";
import { odd } from "./odd.ts";
import { everything, openTestJournal, run } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const open = async (path: string) =>
  await openBlockStore(path, systemClock, (error) => {
    throw error;
  });

test("copies beside a store that goes on, and from where it was when it is called again", async () => {
  await using source = temporaryFolder();
  await using target = temporaryFolder();
  const store = await open(source.path);
  await store.append(delivery("a", odd));
  for (let n = 0; n < 20; n++) await store.append(delivery(`s${n % 3}`, numbered(n * 1000, 1000)));
  expect(await run(source.path, target.path)).toEqual({ lines: 20_004 });
  await store.compact();
  for (let n = 20; n < 25; n++) await store.append(delivery(`s${n % 3}`, numbered(n * 1000, 1000)));
  expect(await run(source.path, target.path)).toEqual({ lines: 5000 });
  expect(await run(source.path, target.path)).toEqual({ lines: 0 });
  const copy = await open(target.path);
  expect(await everything(copy)).toEqual(await everything(store));
  // what an agent repeats is known, and what it sends next follows what is there
  expect(await copy.append(delivery("s0", numbered(21_000, 1000)))).toEqual({ accepted: 0, duplicates: 1000 });
  expect(copy.head()).toBe(store.head());
  await copy.append(delivery("a", numbered(100, 1)));
  expect(copy.head()).toBe(store.head() + 1);
  store.close();
  copy.close();
});

test("an interruption at any point of any range costs nothing, and nothing comes twice", async () => {
  await using source = temporaryFolder();
  const store = await open(source.path);
  for (let n = 0; n < 40; n++) await store.append(delivery(`s${n % 3}`, numbered(n * 5000, 5000)));
  const wanted = await everything(store);
  const points = fc.constantFrom("before", "after", "checking");
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), points), { maxLength: 5 }), async (kills) => {
      await using target = temporaryFolder();
      for (const [at, point] of kills) await run(source.path, target.path, dying(at, point)).catch(() => undefined);
      await run(source.path, target.path);
      const { journal, close } = await openTestJournal(target.path);
      const to = await openEmbeddedLogTarget(target.path);
      expect(
        differencesOf(await journal.sums("logs"), await to.sums(0, store.head(), () => undefined), nameOfKey),
      ).toEqual([]);
      expect(await journal.lines("logs")).toBe(wanted.length);
      to.close();
      close();
    }),
    { numRuns: 4 },
  );
  store.close();
});

test("says what is missing, what is too much and what is another line, by day and server", async () => {
  await using source = temporaryFolder();
  await using target = temporaryFolder();
  const store = await open(source.path);
  for (const server of ["a", "b", "c"]) await store.append(delivery(server, numbered(1, 10)));
  await run(source.path, target.path);
  const { journal, close } = await openTestJournal(target.path);
  const wanted = await journal.sums("logs");
  const found = structuredClone(wanted);
  const keys = [...found.keys()];
  found.delete(keys[0] ?? "");
  found.set(keys[1] ?? "", { count: 10, sum: 1n });
  expect(differencesOf(wanted, found, nameOfKey)).toEqual([
    { what: "logs 2026-06-01 a", wanted: 10, found: 0 },
    { what: "logs 2026-06-01 b", wanted: 10, found: 10 },
  ]);
  close();
  store.close();
});

test("goes on after the source has let go of some", async () => {
  await using source = temporaryFolder();
  await using target = temporaryFolder();
  const store = await open(source.path);
  for (let n = 0; n < 40; n++) await store.append(delivery(`s${n % 4}`, numbered(n * 5000, 5000)));
  await run(source.path, target.path, dying(1, "before")).catch(() => undefined);
  await store.compact();
  await store.prune({ since: (id) => (id === "s1" ? Infinity : 0), shares: [], bytes: Infinity });
  await run(source.path, target.path);
  const copy = await open(target.path);
  const left = await everything(store);
  const there = new Set(await everything(copy));
  expect(left.filter((line) => !there.has(line))).toEqual([]);
  expect(copy.head()).toBe(store.head());
  store.close();
  copy.close();
});

/** A target that ends with the process at a range. */
function dying(range: number, point: "before" | "after" | "checking"): (to: LogTarget) => LogTarget {
  let at = 0;
  return (to) => ({
    ...to,
    async write(runs, about) {
      const dies = at++ === range;
      if (dies && point === "before") throw new Error("killed");
      await to.write(runs, about);
      if (dies && point === "after") throw new Error("killed");
    },
    async linesOf(about) {
      if (at - 1 === range && point === "checking") throw new Error("killed");
      return await to.linesOf(about);
    },
  });
}
