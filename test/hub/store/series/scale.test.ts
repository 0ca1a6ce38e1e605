import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { indexBelow, indexOf, valueAt } from "#src/hub/store/series/scale.ts";
import { ByteReader, ByteWriter, unzigzag, zigzag } from "#src/hub/store/series/bytes.ts";

const scale = fc.record({
  unit: fc.constantFrom(2 ** -40, 0.01, 0.05, 1, 16, 4096),
  bits: fc.integer({ min: 4, max: 20 }),
});
const value = fc.oneof(
  fc.double({ min: -1e15, max: 1e15, noNaN: true }),
  fc.double({ min: -10, max: 10, noNaN: true }),
  fc.integer(),
);

describe("the scale of a series", () => {
  test("keeps every number within half a unit or its last digit", () => {
    fc.assert(
      fc.property(value, scale, (number, fine) => {
        const off = Math.abs(valueAt(indexOf(number, fine), fine) - number);
        expect(off).toBeLessThanOrEqual(Math.max(fine.unit / 2, Math.abs(number) / 2 ** (fine.bits + 1)) * (1 + 1e-9));
      }),
      { numRuns: 2000 },
    );
  });

  test("keeps the order of numbers", () => {
    fc.assert(
      fc.property(value, value, scale, (a, b, fine) => {
        if (a > b) return;
        expect(indexOf(a, fine)).toBeLessThanOrEqual(indexOf(b, fine));
      }),
      { numRuns: 2000 },
    );
  });

  test("loses nothing by being written again", () => {
    fc.assert(
      fc.property(value, scale, (number, fine) => {
        const index = indexOf(number, fine);
        expect(indexOf(valueAt(index, fine), fine)).toBe(index);
        if (index >= 0) expect(indexBelow(valueAt(index, fine), fine)).toBe(index);
      }),
      { numRuns: 2000 },
    );
  });

  test("never goes above a number that it must stay below", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), scale, (number, fine) => {
        const below = valueAt(indexBelow(number, fine), fine);
        expect(below).toBeLessThanOrEqual(number * (1 + 1e-11) + fine.unit * 1e-8);
        expect(number - below).toBeLessThanOrEqual(Math.max(fine.unit, number / 2 ** fine.bits) * (1 + 1e-9));
      }),
      { numRuns: 2000 },
    );
  });

  test("gives zero and small whole numbers back as they are", () => {
    for (const number of [0, 1, 2, 3, 255, 511])
      expect(valueAt(indexOf(number, { unit: 1, bits: 8 }), { unit: 1, bits: 8 })).toBe(number);
  });
});

describe("bytes", () => {
  test("come back as they were written", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.maxSafeNat(), fc.string(), fc.double())), (all) => {
        const out = new ByteWriter(1);
        for (const one of all) {
          if (typeof one === "string") out.text(one);
          else if (Number.isSafeInteger(one) && one >= 0 && !Object.is(one, -0)) out.varint(one);
          else out.double(one);
        }
        const from = new ByteReader(out.view());
        for (const one of all) {
          if (typeof one === "string")
            expect(from.text()).toBe(new TextDecoder().decode(new TextEncoder().encode(one)));
          else if (Number.isSafeInteger(one) && one >= 0 && !Object.is(one, -0)) expect(from.varint()).toBe(one);
          else expect(from.double()).toBe(one);
        }
        expect(from.done).toBe(true);
        expect(() => from.varint()).toThrow("ends too early");
      }),
    );
  });

  test("of either sign are small when the number is", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), (number) => {
        expect(unzigzag(zigzag(number))).toBe(number);
        expect(zigzag(number)).toBeLessThanOrEqual(2 * Math.abs(number));
      }),
    );
  });
});
