import { expect, test } from "bun:test";

import { createSeldom } from "#src/lib/seldom.ts";
import { createTestClock } from "#test/kit/clock.ts";

test("a text is said the first time and then once in a while, each text on its own", () => {
  const clock = createTestClock();
  const seldom = createSeldom(clock, 1000);
  expect([seldom("a"), seldom("a"), seldom("b")]).toEqual([true, false, true]);
  clock.advance(999);
  expect(seldom("a")).toBe(false);
  clock.advance(1);
  expect([seldom("a"), seldom("a")]).toEqual([true, false]);
});

test("no more texts are remembered than there is room for", () => {
  const seldom = createSeldom(createTestClock(), 1000);
  for (let i = 0; i < 101; i++) expect(seldom(`text ${i}`)).toBe(true);
  expect([seldom("text 100"), seldom("text 0")]).toEqual([false, true]);
});
