import { describe, expect, test } from "bun:test";

import { createLane } from "#src/hub/auth/lane.ts";
import { createQueue } from "#src/hub/auth/queue.ts";
import { createUsedCodes } from "#src/hub/auth/used-codes.ts";
import { createUserCode, plainUserCode, shownUserCode } from "#src/hub/auth/user-code.ts";
import { createTestClock } from "#test/kit/clock.ts";

describe("a user code", () => {
  test("has eight letters that make no words and can't be mistaken", () => {
    for (let n = 0; n < 500; n++) expect(createUserCode()).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{8}$/);
  });

  test("is the same however it is typed", () => {
    const code = createUserCode();
    const shown = shownUserCode(code);
    expect(shown).toMatch(/^[A-Z]{4}-[A-Z]{4}$/);
    for (const typed of [shown, shown.toLowerCase(), ` ${shown} `, shown.replace("-", " "), code]) {
      expect(plainUserCode(typed)).toBe(code);
    }
  });
});

describe("an authenticator's code", () => {
  test("is good once for each person while it could be right", () => {
    const clock = createTestClock();
    const used = createUsedCodes(clock);
    expect([used.take("ann", "123456"), used.take("ann", "123456")]).toEqual([true, false]);
    expect(used.take("bob", "123456")).toBe(true);
    clock.advance(89_000);
    expect(used.take("ann", "123456")).toBe(false);
    clock.advance(2000);
    expect(used.take("ann", "123456")).toBe(true);
  });
});

describe("the lane for costly work", () => {
  test("runs four at a time and all of them in the end, failures too", async () => {
    const lane = createLane();
    let [running, most] = [0, 0];
    const work = async (n: number) => {
      running++;
      most = Math.max(most, running);
      await Bun.sleep(1);
      running--;
      if (n % 3 === 0) throw new Error("failed");
      return n;
    };
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => lane.run(() => work(n))));
    expect(most).toBe(4);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(33);
    expect(await lane.run(() => work(1))).toBe(1);
  });

  test("sends away who would wait behind a hundred others", async () => {
    const lane = createLane();
    const { promise, resolve } = Promise.withResolvers<void>();
    const all = Array.from({ length: 104 }, () => lane.run(() => promise));
    const late = await lane.run(() => promise).catch((error: unknown) => error);
    expect(late).toMatchObject({ code: "unavailable" });
    resolve();
    await Promise.all(all);
  });
});

describe("the queue", () => {
  test("runs one after the other, and goes on after a failure", async () => {
    const queue = createQueue();
    const order: string[] = [];
    const step = (name: string, fails = false) =>
      queue.run(async () => {
        order.push(`${name} begins`);
        await Bun.sleep(1);
        order.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([step("a"), step("b", true), step("c")]);
    expect(order).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});
