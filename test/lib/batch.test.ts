import { describe, expect, test } from "bun:test";

import { createBatch } from "#src/lib/batch.ts";
import { createTestClock } from "#test/kit/clock.ts";

function open(write: (ids: ReadonlySet<string>) => Promise<void> = async () => undefined) {
  const clock = createTestClock();
  const written: string[][] = [];
  const failures: string[] = [];
  const batch = createBatch({
    clock,
    withinMs: 1000,
    async write(ids) {
      written.push([...ids]);
      await write(ids);
    },
    failed: (error, count) => void failures.push(`${count}: ${String(error)}`),
  });
  return { clock, batch, written, failures };
}

describe("a batch", () => {
  test("hands on together what comes within its time, each id once", () => {
    const { clock, batch, written } = open();
    for (const id of ["a", "b", "a"]) batch.add(id);
    clock.advance(999);
    expect(written).toEqual([]);
    batch.add("c");
    clock.advance(1);
    expect(written).toEqual([["a", "b", "c"]]);
    batch.add("a");
    clock.advance(1000);
    expect(written).toEqual([["a", "b", "c"], ["a"]]);
  });

  test("has no timer while nothing is gathered", async () => {
    const { clock, batch } = open();
    expect(clock.waiting()).toBe(0);
    batch.add("a");
    expect(clock.waiting()).toBe(1);
    await batch.flush();
    expect(clock.waiting()).toBe(0);
  });

  test("leaves out what was dropped, and writes nothing when nothing is left", async () => {
    const { batch, written } = open();
    batch.add("a");
    batch.add("b");
    batch.drop("a");
    await batch.flush();
    batch.add("c");
    batch.drop("c");
    await batch.flush();
    expect(written).toEqual([["b"]]);
  });

  test("tells of a failed write, and goes on", async () => {
    const { batch, written, failures } = open(async (ids) => {
      if (ids.has("bad")) throw new Error("no");
    });
    batch.add("bad");
    await batch.flush();
    batch.add("good");
    await batch.flush();
    expect([written, failures]).toEqual([[["bad"], ["good"]], ["1: Error: no"]]);
  });
});
