import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { NotTaken, createRereading } from "#src/lib/rereading.ts";
import { systemClock } from "#src/lib/clock.ts";
import { until } from "#test/kit/wait.ts";

type Step =
  | {
      readonly kind: "own";
      readonly key: string;
      readonly value: number;
      readonly fails: boolean;
      readonly done: boolean;
    }
  | { readonly kind: "other"; readonly key: string; readonly value: number }
  | { readonly kind: "refresh"; readonly keys: readonly string[] | null }
  | { readonly kind: "read-fails" };

const key = fc.constantFrom("a", "b", "c");
const value = fc.nat({ max: 1000 });
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("own" as const), key, value, fails: fc.boolean(), done: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("other" as const), key, value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("refresh" as const), keys: fc.option(fc.array(key)) }) },
  fc.constant({ kind: "read-fails" as const }),
);

describe("what is read again", () => {
  test("is what the store has, whatever is written here and elsewhere meanwhile, and never undoes a write under way", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(step, { maxLength: 20 }), async (scheduler, steps: readonly Step[]) => {
        const store = new Map<string, number>();
        const memory = new Map<string, number>();
        const writing = new Map<string, number>();
        let readFails = 0;
        const rereading = createRereading<number>({
          async read(keys) {
            await scheduler.schedule(Promise.resolve());
            if (readFails > 0) {
              readFails--;
              throw new Error("away");
            }
            // as of one moment; it takes its time to come
            const rows = new Map([...store].filter(([one]) => keys?.includes(one) !== false));
            await scheduler.schedule(Promise.resolve());
            return rows;
          },
          known: () => memory.keys(),
          take(one, row) {
            expect(writing.has(one)).toBe(false);
            if (row === undefined) memory.delete(one);
            else memory.set(one, row);
          },
          clock: { after: (_, run) => systemClock.after(0, run) },
        });
        const pending: Promise<unknown>[] = [];
        // writes of one key come one after the other into the store, as group commit has them
        const last = new Map<string, Promise<unknown>>();
        for (const one of steps) {
          if (one.kind === "own") {
            const write = rereading.write([one.key], async () => {
              const before = last.get(one.key);
              const turn = Promise.withResolvers<void>();
              last.set(one.key, turn.promise);
              writing.set(one.key, (writing.get(one.key) ?? 0) + 1);
              memory.set(one.key, one.value);
              try {
                await before;
                await scheduler.schedule(Promise.resolve());
                // one that fails may have been done all the same
                if (!one.fails || one.done) store.set(one.key, one.value);
                await scheduler.schedule(Promise.resolve());
                if (one.fails) throw new Error("unanswered");
              } finally {
                turn.resolve();
                const left = (writing.get(one.key) ?? 1) - 1;
                if (left === 0) writing.delete(one.key);
                else writing.set(one.key, left);
              }
            });
            pending.push(write.catch(() => undefined));
          } else if (one.kind === "other") {
            store.set(one.key, one.value);
            pending.push(rereading.refresh([one.key]).catch(() => undefined));
          } else if (one.kind === "refresh") pending.push(rereading.refresh(one.keys).catch(() => undefined));
          else readFails = 1;
          if (scheduler.count() > 0) await scheduler.waitNext(1);
        }
        const settled = Promise.all(pending);
        await scheduler.waitIdle();
        await settled;
        await until(async () => {
          if (scheduler.count() > 0) await scheduler.waitIdle();
          return Bun.deepEquals(memory, store);
        }, "memory and store to be the same");
        rereading.close();
      }),
      { numRuns: 200 },
    );
  });

  // Before, none of what stood behind it was taken, and all of it was read again and again
  test("is taken but for a row that makes no sense, which is not read again", async () => {
    let reads = 0;
    const taken: string[] = [];
    const rereading = createRereading<number>({
      async read() {
        reads++;
        return new Map([
          ["a", 1],
          ["b", 2],
          ["c", 3],
        ]);
      },
      known: () => [],
      take(one) {
        if (one === "b") throw new Error("of tomorrow");
        taken.push(one);
      },
      clock: { after: (_, run) => systemClock.after(0, run) },
    });
    const error = await rereading.refresh(null).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotTaken);
    expect((error as Error).message).toBe("b: of tomorrow");
    await rereading.refresh(["a"]);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect([taken, reads]).toEqual([["a", "c", "a"], 2]);
    rereading.close();
  });

  test("is read by itself after a write that failed, until reading works", async () => {
    const taken: (number | undefined)[] = [];
    let fails = 2;
    const rereading = createRereading<number>({
      async read() {
        if (fails-- > 0) throw new Error("away");
        return new Map([["a", 7]]);
      },
      known: () => [],
      take: (_, row) => void taken.push(row),
      clock: { after: (_, run) => systemClock.after(1, run) },
    });
    const unanswered = rereading.write(["a"], async () => {
      throw new Error("unanswered");
    });
    expect(await unanswered.catch((error: unknown) => (error as Error).message)).toBe("unanswered");
    await until(() => taken.length > 0, "the read after it");
    expect([taken, fails]).toEqual([[7], -1]);
    rereading.close();
  });
});
