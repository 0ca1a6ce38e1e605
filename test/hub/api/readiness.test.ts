import { describe, expect, test } from "bun:test";

import { type Probe, createReadiness, probeOf } from "#src/hub/api/readiness.ts";
import { createTestClock } from "#test/kit/clock.ts";

/** A store that answers as it is told. */
function fakeStore() {
  const asked: PromiseWithResolvers<boolean>[] = [];
  return {
    asked,
    ready: async () => {
      const answer = Promise.withResolvers<boolean>();
      asked.push(answer);
      return await answer.promise;
    },
  };
}

const good = (name: string): Probe => probeOf(name, async () => true, 0);

/** Lets what has been resolved take effect. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function rig(probes: readonly Probe[], notices: readonly string[] = []) {
  const clock = createTestClock();
  return { clock, check: createReadiness({ probes, notices: () => notices, clock }) };
}

describe("readiness", () => {
  test("has no problem when everything answers", async () => {
    const { check } = rig([good("Postgres"), good("ClickHouse")]);
    expect(await check()).toEqual({ problems: [], down: null });
  });

  test("tells what somebody knows without asking", async () => {
    const { check } = rig([good("Postgres")], ["metrics wait"]);
    expect(await check()).toEqual({ problems: ["metrics wait"], down: null });
  });

  test("answers after two seconds though a store hangs, and does not ask it again meanwhile", async () => {
    const store = fakeStore();
    const { check, clock } = rig([probeOf("Postgres", store.ready, 10_000)]);
    const first = check();
    const second = check();
    clock.advance(2000);
    const wanted = { problems: ["Postgres does not answer"], down: null };
    expect(await Promise.all([first, second])).toEqual([wanted, wanted]);
    // at once from now on: it has had its time
    expect(await check()).toEqual(wanted);
    clock.advance(1000);
    expect(await check()).toEqual(wanted);
    expect(store.asked).toHaveLength(1);
  });

  test("is down once a store that is needed has been away for too long, and up again when it answers", async () => {
    const store = fakeStore();
    const { check, clock } = rig([probeOf("Postgres", store.ready, 10_000)]);
    const answer = async (isThere: boolean | Error) => {
      const checking = check();
      const asked = store.asked.at(-1);
      if (isThere instanceof Error) asked?.reject(isThere);
      else asked?.resolve(isThere);
      return await checking;
    };
    expect(await answer(true)).toEqual({ problems: [], down: null });
    clock.advance(9000);
    expect(await answer(false)).toEqual({ problems: ["Postgres can't be used"], down: null });
    clock.advance(1000);
    const why = "Postgres can't be used: nothing can be stored";
    expect(await answer(new Error("secret address"))).toEqual({ problems: [why], down: why });
    clock.advance(1000);
    expect(await answer(true)).toEqual({ problems: [], down: null });
  });

  test("of a store that the hub can do without for a while is never down", async () => {
    const { check, clock } = rig([probeOf("ClickHouse", async () => false, null), good("Postgres")]);
    clock.advance(3_600_000);
    expect(await check()).toEqual({ problems: ["ClickHouse can't be used"], down: null });
  });

  test("says what is slow", async () => {
    const store = fakeStore();
    const { check, clock } = rig([probeOf("ClickHouse", store.ready, null)]);
    const checking = check();
    clock.advance(1400);
    store.asked[0]?.resolve(true);
    expect(await checking).toEqual({ problems: ["ClickHouse is slow: it answered after 1.4 s"], down: null });
  });

  test("is not asked for anew by each who wants to know", async () => {
    let asked = 0;
    const { check, clock } = rig([probeOf("Postgres", async () => ++asked > 0, 0)]);
    for (let i = 0; i < 10; i++) await check();
    clock.advance(1000);
    await check();
    await settle();
    expect(asked).toBe(2);
  });
});
