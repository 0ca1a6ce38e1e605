import { describe, expect, test } from "bun:test";

import { HttpFault } from "#src/hub/api/problem.ts";
import { createThrottle, networkOf } from "#src/hub/api/throttle.ts";
import { createTestClock } from "#test/kit/clock.ts";

/** Seconds to wait, or 0 when the attempt was let through. */
function attempt(throttle: ReturnType<typeof createThrottle>, address: string, account?: string): number {
  try {
    throttle.admit("sign-in", address, account);
    return 0;
  } catch (error) {
    if (!(error instanceof HttpFault) || error.status !== 429) throw error;
    return Number(error.headers["retry-after"]);
  }
}

describe("the throttle", () => {
  test("lets ten attempts a minute through from an address, whatever the account", () => {
    const clock = createTestClock();
    const throttle = createThrottle(clock);
    const waits = Array.from({ length: 12 }, (_, n) => {
      clock.advance(1000);
      return attempt(throttle, "192.0.2.1", `account-${n}`);
    });
    expect(waits).toEqual([...Array<number>(10).fill(0), 50, 49]);
    expect(attempt(throttle, "192.0.2.2", "other")).toBe(0);
    // the first of them is a minute ago now
    clock.advance(49_000);
    expect(attempt(throttle, "192.0.2.1", "account")).toBe(0);
    expect(attempt(throttle, "192.0.2.1", "account")).toBe(1);
  });

  // Before, what succeeded was given back to a list that the next attempt had replaced
  test("counts no attempt that succeeded, also when others came meanwhile", () => {
    const throttle = createThrottle(createTestClock());
    for (let round = 0; round < 10; round++) {
      const office = Array.from({ length: 10 }, (_, n) => throttle.admit("sign-in", "192.0.2.1", `person-${n}`));
      for (const one of office) one.succeeded();
    }
    expect(attempt(throttle, "192.0.2.1", "another")).toBe(0);
  });

  test("lets ten attempts a minute through at an account, wherever they come from", () => {
    const throttle = createThrottle(createTestClock());
    const waits = Array.from({ length: 12 }, (_, n) => attempt(throttle, `192.0.2.${n}`, "ann"));
    expect(waits).toEqual([...Array<number>(10).fill(0), 60, 60]);
    expect(attempt(throttle, "192.0.2.99", "bob")).toBe(0);
  });

  test("gives back what succeeded, and not what failed beside it", () => {
    const throttle = createThrottle(createTestClock());
    for (let n = 0; n < 9; n++) attempt(throttle, "192.0.2.1", "ann");
    for (let n = 0; n < 30; n++) throttle.admit("sign-in", "192.0.2.1", "ann").succeeded();
    expect([attempt(throttle, "192.0.2.1", "ann"), attempt(throttle, "192.0.2.1", "ann")]).toEqual([0, 60]);
  });

  test("counts kinds of attempts apart", () => {
    const throttle = createThrottle(createTestClock());
    for (let n = 0; n < 10; n++) throttle.admit("sign-in", "192.0.2.1");
    expect(() => throttle.admit("setup", "192.0.2.1")).not.toThrow();
  });

  test("holds no more than so many addresses", () => {
    const throttle = createThrottle(createTestClock());
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 60_000; n++) attempt(throttle, `address-${n}`);
    Bun.gc(true);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20 * 1024 * 1024);
  });
});

describe("the network of an address", () => {
  const rows: readonly (readonly [address: string | null, network: string])[] = [
    [null, "here"],
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:1:2::9", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["not an address", "not an address"],
  ];
  for (const [address, network] of rows) {
    test(`${address} is ${network}`, () => expect(networkOf(address)).toBe(network));
  }
});
