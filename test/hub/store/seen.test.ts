import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { type Ranges, addRange, admit, highest, isSeen, maxRanges } from "#src/hub/store/seen.ts";

describe("seen ranges", () => {
  test("touching and overlapping ranges are joined", () => {
    let ranges: Ranges = [];
    for (const [from, to] of [
      [1, 3],
      [10, 12],
      [4, 5],
      [20, 20],
      [11, 19],
    ] as const)
      ranges = addRange(ranges, from, to);
    expect(ranges).toEqual([
      [1, 5],
      [10, 20],
    ]);
    expect(highest(ranges)).toBe(20);
  });

  test("they hold exactly what was added, as long as the gaps are few", () => {
    const parts = fc.array(fc.tuple(fc.nat(200), fc.nat(8)), { maxLength: 40 });
    fc.assert(
      fc.property(parts, (added) => {
        let ranges: Ranges = [];
        const model = new Set<number>();
        for (const [from, length] of added) {
          ranges = addRange(ranges, from, from + length);
          for (let seq = from; seq <= from + length; seq++) model.add(seq);
        }
        for (let seq = 0; seq < 220; seq++) expect(isSeen(ranges, seq)).toBe(model.has(seq));
        for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0]).toBeGreaterThan(ranges[i - 1]![1] + 1);
      }),
    );
  });

  test("past the limit the oldest gap is closed", () => {
    let ranges: Ranges = [];
    for (let i = 0; i < maxRanges + 10; i++) ranges = addRange(ranges, i * 10, i * 10);
    expect(ranges.length).toBe(maxRanges);
    expect(ranges[0]).toEqual([0, 100]);
    expect(isSeen(ranges, (maxRanges + 9) * 10)).toBe(true);
    expect(isSeen(ranges, (maxRanges + 8) * 10 + 1)).toBe(false);
  });
});

describe("what of a delivery is new", () => {
  test("all of it, when it goes on where the last one ended", () => {
    expect(admit([[1, 10]], [11, 12, 15])).toEqual({ fresh: "all", ranges: [[1, 15]] });
  });

  test("nothing of a repeat", () => {
    expect(admit([[1, 10]], [3, 4, 5])).toEqual({ fresh: [], ranges: [[1, 10]] });
  });

  test("the rest of an overlap", () => {
    expect(admit([[1, 10]], [9, 10, 11, 12])).toEqual({ fresh: [2, 3], ranges: [[1, 12]] });
  });

  test("a delivery that was overtaken", () => {
    expect(admit([[11, 20]], [1, 2, 3])).toEqual({
      fresh: "all",
      ranges: [
        [1, 3],
        [11, 20],
      ],
    });
  });

  test("each number once, when a delivery repeats itself or is out of order", () => {
    const admission = admit([], [5, 3, 5, 4, 3]);
    expect(admission).toEqual({ fresh: [0, 1, 3], ranges: [[3, 5]] });
  });

  test("nothing of nothing", () => {
    expect(admit([[1, 2]], [])).toEqual({ fresh: [], ranges: [[1, 2]] });
  });
});
