import { expect, test } from "bun:test";
import fc from "fast-check";

import { withoutRanges } from "#src/hub/store/clickhouse/ledger-ranges.ts";
import { type Ranges, addRange, isSeen } from "#src/hub/store/seen.ts";

const some = fc
  .array(fc.tuple(fc.nat(60), fc.nat(10)), { maxLength: 12 })
  .map((pairs) => pairs.reduce<Ranges>((all, [from, more]) => addRange(all, from, from + more), []));

test("what is taken out is gone, and everything else is there", () => {
  fc.assert(
    fc.property(some, some, (ranges, others) => {
      const left = withoutRanges(ranges, others);
      const numbers = Array.from({ length: 80 }, (_, i) => i);
      expect(numbers.filter((n) => isSeen(left, n))).toEqual(
        numbers.filter((n) => isSeen(ranges, n) && !isSeen(others, n)),
      );
      // sorted, and none is empty
      for (const [i, [from, to]] of left.entries()) {
        expect(from).toBeLessThanOrEqual(to);
        expect(from).toBeGreaterThan(left[i - 1]?.[1] ?? -1);
      }
    }),
  );
});
