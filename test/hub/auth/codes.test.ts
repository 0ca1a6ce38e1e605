import { describe, expect, test } from "bun:test";

import { openEngine } from "#src/hub/auth/engine.ts";
import { createLane } from "#src/hub/auth/lane.ts";
import { createQueue } from "#src/hub/auth/queue.ts";
import { openSecret } from "#src/hub/auth/secret.ts";
import { createUsedCodes } from "#src/hub/auth/used-codes.ts";
import { createUserCode, plainUserCode, shownUserCode } from "#src/hub/auth/user-code.ts";
import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { storageFault } from "#src/hub/store/commits.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

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
  test("is good once for each person while it could be right, also after a restart", async () => {
    await using folder = temporaryFolder();
    const clock = createTestClock();
    const log = { warn: () => undefined };
    const secret = openSecret(folder.path);
    const open = async () => {
      const database = { ...(await openAuthDatabase(folder.path)), faultOf: storageFault };
      const { context } = await openEngine({ database, secret, secure: false, log });
      return { used: createUsedCodes(context.adapter, clock), close: database.close };
    };
    const first = await open();
    const take = (person: string, code = "123456") => first.used.take(person, code);
    expect([await take("ann"), await take("ann")]).toEqual([true, false]);
    expect([await take("bob"), await take("ann", "123457")]).toEqual([true, true]);
    const both = await Promise.all([take("cid"), take("cid"), take("cid")]);
    expect(both.filter(Boolean)).toHaveLength(1);
    first.close();
    const second = await open();
    clock.advance(89_000);
    expect(await second.used.take("ann", "123456")).toBe(false);
    clock.advance(2000);
    expect(await second.used.take("ann", "123456")).toBe(true);
    second.close();
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
