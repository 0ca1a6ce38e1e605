import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { counterAdvance } from "#src/procfs/counter.ts";
import { cpuShare } from "#src/procfs/cpu-share.ts";

describe("the CPU's busy share", () => {
  const before = { user: 100, nice: 10, system: 50, idle: 1000, iowait: 30, irq: 1, softirq: 2, steal: 3 };

  test("is everything but idle and iowait", () => {
    const after = { user: 120, nice: 15, system: 60, idle: 1040, iowait: 40, irq: 3, softirq: 5, steal: 13 };
    expect(cpuShare(before, after)).toEqual({ percent: 50 });
  });

  test("takes an iowait that went back as unchanged", () => {
    expect(cpuShare(before, { ...before, user: 125, idle: 1075, iowait: 20 })).toEqual({ percent: 25 });
  });

  test("is not told from a handful of ticks", () => {
    expect(cpuShare(before, before)).toBe("too-soon");
    expect(cpuShare(before, { ...before, user: 105 })).toBe("too-soon");
  });

  test("is not told across a restart of the counters", () => {
    expect(cpuShare(before, { ...before, idle: 10 })).toBe("went-back");
  });

  test("lies between 0 and 100 for any two readings", () => {
    const tick = fc.oneof(fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), fc.constant(2 ** 64));
    const ticks = fc.record({
      user: tick,
      nice: tick,
      system: tick,
      idle: tick,
      iowait: tick,
      irq: tick,
      softirq: tick,
      steal: tick,
    });
    fc.assert(
      fc.property(ticks, ticks, (one, other) => {
        const share = cpuShare(one, other);
        if (typeof share === "object") expect(share.percent >= 0 && share.percent <= 100).toBe(true);
      }),
    );
  });
});

describe("a byte counter", () => {
  for (const [name, before, after, seconds, advance] of [
    ["goes on", 1000, 5000, 30, 4000],
    ["stands still", 1000, 1000, 30, 0],
    ["of 64 bits goes on", 2 ** 40, 2 ** 40 + 7, 30, 7],
    ["of 32 bits begins again at 0", 2 ** 32 - 100, 400, 30, 500],
    ["of 32 bits can't have come so far, so it was made anew", 1_000_000, 400, 30, undefined],
    ["of 64 bits went back", 2 ** 40, 400, 30, undefined],
    ["went back a little", 10_000, 9999, 30, undefined],
  ] as const) {
    test(`that ${name} got on by ${advance ?? "an unknown number of"} bytes`, () => {
      expect(counterAdvance(before, after, seconds)).toBe(advance);
    });
  }

  test("never gets on by less than nothing, nor back by more than a line can carry", () => {
    const counter = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
    fc.assert(
      fc.property(counter, counter, fc.integer({ min: 1, max: 3600 }), (before, after, seconds) => {
        const advance = counterAdvance(before, after, seconds);
        if (advance === undefined) return;
        expect(advance).toBeGreaterThanOrEqual(0);
        if (after < before) expect(advance / seconds).toBeLessThanOrEqual(125_000_000);
      }),
    );
  });
});
