import { describe, expect, test } from "bun:test";

import { createRateLimiter } from "#src/hub/api/intake/rate.ts";
import { createTestClock } from "#test/kit/clock.ts";

const limits = { linesPerSecond: 100, burstLines: 1000, bytesPerSecond: 1000, burstBytes: 10_000 };

function limiter() {
  const clock = createTestClock();
  const said: string[] = [];
  return { clock, said, rate: createRateLimiter({ limits, clock, warn: (message) => void said.push(message) }) };
}

describe("the rate of a source", () => {
  test("a burst is let in, then the rate holds", () => {
    const { rate, clock } = limiter();
    for (let i = 0; i < 10; i++) {
      expect(rate.waitSeconds("a", "a")).toBe(0);
      rate.charge("a", 100, 0);
    }
    expect(rate.waitSeconds("a", "a")).toBe(1);
    let lines = 0;
    for (let second = 0; second < 60; second++) {
      clock.advance(1000);
      while (rate.waitSeconds("a", "a") === 0) {
        rate.charge("a", 25, 0);
        lines += 25;
      }
    }
    expect(lines).toBe(6000);
  });

  test("a delivery larger than the burst is let in and paid for", () => {
    const { rate, clock } = limiter();
    expect(rate.waitSeconds("a", "a")).toBe(0);
    rate.charge("a", 3000, 1);
    expect(rate.waitSeconds("a", "a")).toBe(20);
    clock.advance(19_900);
    expect(rate.waitSeconds("a", "a")).toBe(1);
    clock.advance(200);
    expect(rate.waitSeconds("a", "a")).toBe(0);
  });

  test("bytes count as lines do", () => {
    const { rate } = limiter();
    rate.charge("a", 1, 15_000);
    expect(rate.waitSeconds("a", "a")).toBe(5);
  });

  test("sources don't share", () => {
    const { rate } = limiter();
    rate.charge("a", 5000, 0);
    expect([rate.waitSeconds("a", "a"), rate.waitSeconds("b", "b")]).toEqual([40, 0]);
  });

  test("is said once a minute, with how often", () => {
    const { rate, clock, said } = limiter();
    rate.charge("a", 100_000, 0);
    for (let i = 0; i < 100; i++) rate.waitSeconds("a", "shop");
    clock.advance(60_000);
    rate.waitSeconds("a", "shop");
    const message = (count: number) =>
      `source shop logs faster than 100 lines or 1000 bytes a second: ${count} of its requests were refused`;
    expect(said).toEqual([message(1), message(100)]);
  });

  test("a hundred thousand sources cost no memory without bound, and lose no right", () => {
    const { rate } = limiter();
    for (let i = 0; i < 100_000; i++) {
      expect(rate.waitSeconds(`source-${i}`, "x")).toBe(0);
      rate.charge(`source-${i}`, 1, 1);
    }
  });
});
