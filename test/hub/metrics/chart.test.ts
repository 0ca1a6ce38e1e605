import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { drawSeries, planChart, prefixesOf, wantsOf } from "#src/hub/metrics/chart.ts";
import { maxSteps } from "#src/protocol/metrics.ts";
import type { Series, Tier } from "#src/protocol/series.ts";

const day = 86_400;
const retention = { raw: 7 * day, minutes: 90 * day, hours: 400 * day };
const nowMs = Date.parse("2026-03-10T12:00:00.000Z");
const ago = (seconds: number) => nowMs - seconds * 1000;

describe("what a chart is read from", () => {
  const rows: readonly (readonly [string, number, number, number | null, Tier, number])[] = [
    ["an hour: samples", 3600, 0, null, 0, 12],
    ["a day: samples", day, 0, null, 0, 288],
    ["a week: averages of five minutes", 7 * day, 0, null, 300, 2100],
    ["half a year: averages of an hour", 180 * day, 0, null, 3600, 54_000],
    ["an hour of last week, when samples are gone: averages of five minutes", 8 * day, 8 * day - 3600, null, 300, 300],
    ["an hour of last year: averages of an hour", 200 * day, 200 * day - 3600, null, 3600, 3600],
    ["a step that was asked for", 3600, 0, 60, 0, 60],
    ["a step between two tiers goes up to whole stretches", day, 0, 400, 300, 600],
    ["a step that would be too many values", 365 * day, 0, 10, 3600, 18_000],
    ["a step shorter than agents report", 600, 0, 1, 0, 10],
  ];
  for (const [name, from, to, stepS, tier, wanted] of rows) {
    test(name, () => {
      const plan = planChart({ fromMs: ago(from), toMs: ago(to), stepS }, retention, nowMs);
      expect([plan.tier, plan.stepS]).toEqual([tier, wanted]);
    });
  }

  test("never too many values, both ends on whole steps, and nothing of what was asked for left out", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 * day }),
        fc.integer({ min: 0, max: 400 * day }),
        fc.option(fc.integer({ min: 1, max: 90 * day })),
        (span, end, stepS) => {
          const asked = { fromMs: ago(end + span), toMs: ago(end), stepS };
          const { fromS, toS, stepS: step, tier } = planChart(asked, retention, nowMs);
          expect((toS - fromS) / step).toBeLessThanOrEqual(maxSteps);
          expect([fromS % step, toS % step, tier === 0 ? 0 : step % tier]).toEqual([0, 0, 0]);
          expect(fromS * 1000 <= asked.fromMs && toS * 1000 >= asked.toMs).toBe(true);
        },
      ),
    );
  });
});

describe("values on a grid", () => {
  const series = (times: readonly number[], values: readonly number[], count = times.map(() => 1)): Series => ({
    key: "k",
    times,
    mean: values,
    min: values.map((value) => value - 1),
    max: values.map((value) => value + 1),
    count,
  });

  test("a step takes the mean of its samples, weighed by how many they are, and their extremes", () => {
    const drawn = drawSeries(series([0, 300, 600], [1, 4, 10], [10, 5, 10]), {
      tier: 300,
      fromS: 0,
      toS: 1200,
      stepS: 600,
    });
    expect(drawn).toEqual({ values: [2, 10], spread: { min: [0, 9], max: [5, 11] } });
  });

  test("a sample fills the steps since the one before it", () => {
    const plan = { tier: 0, fromS: 0, toS: 70, stepS: 10 } as const;
    expect(drawSeries(series([5, 35, 65], [1, 2, 3]), plan).values).toEqual([1, 2, 2, 2, 3, 3, 3]);
  });

  test("jitter makes no gap, silence does", () => {
    const plan = { tier: 0, fromS: 0, toS: 300, stepS: 30 } as const;
    const times = [1, 29, 61, 91, 240, 271];
    expect(drawSeries(series(times, times), plan).values).toEqual([15, 61, 61, 91, null, null, null, null, 240, 271]);
  });

  // Before, the usual interval was that of the whole stretch, and what had come less often before became single dots.
  test("an interval that has changed makes no gaps of what came before", () => {
    const plan = { tier: 0, fromS: 0, toS: 600, stepS: 10 } as const;
    const slow = [5, 65, 125, 185, 245];
    const quick = Array.from({ length: 35 }, (_, i) => 255 + i * 10);
    expect(drawSeries(series([...slow, ...quick], [...slow, ...quick]), plan).values).not.toContain(null);
    // a silence within the slower part is one all the same
    const silent = [5, 65, 125, 425, 485, 545];
    const { values } = drawSeries(series([...silent, ...quick.map((at) => at + 300)], [...silent, ...quick]), plan);
    expect(values.filter((value) => value === null).length).toBe(29);
  });

  test("a stretch without samples among full ones is a gap", () => {
    const plan = { tier: 300, fromS: 0, toS: 1500, stepS: 300 } as const;
    const drawn = drawSeries(series([0, 300, 900, 1200], [1, 2, 3, 4], [10, 10, 10, 10]), plan);
    expect(drawn.values).toEqual([1, 2, null, 3, 4]);
  });
});

describe("names of series", () => {
  const rows: readonly (readonly [string | undefined, readonly string[]])[] = [
    [undefined, ["host.cpu", "script.cpu/api", "script.cpu/web", "script.memory/api"]],
    ["host.cpu", ["host.cpu"]],
    ["script.cpu", ["script.cpu/api", "script.cpu/web"]],
    ["script.cpu/web", ["script.cpu/web"]],
    ["script.*/api, host.*", ["host.cpu", "script.cpu/api", "script.memory/api"]],
    ["*", ["host.cpu", "script.cpu/api", "script.cpu/web", "script.memory/api"]],
    ["nothing,,", []],
  ];
  for (const [names, wanted] of rows) {
    test(`${names}`, () => {
      const keys = ["host.cpu", "script.cpu/api", "script.cpu/web", "script.memory/api"];
      expect(keys.filter(wantsOf(names))).toEqual([...wanted]);
    });
  }

  test("have keys that begin as is said where they lie, whatever is named", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", ".", "/", "*", ",", " "), maxLength: 8 });
    fc.assert(
      fc.property(fc.option(word, { nil: undefined }), word, (names, key) => {
        const prefixes = prefixesOf(names);
        if (!wantsOf(names)(key) || prefixes === undefined) return;
        expect(prefixes.some((prefix) => key.startsWith(prefix))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
