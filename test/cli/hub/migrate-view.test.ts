import { expect, test } from "bun:test";

import { progressLine } from "#src/cli/hub/migrate-view.ts";

test("a line says how much is there, how fast it goes, and how long it will take", () => {
  const began = { startedMs: 10_000, doneBefore: 1_000_000 };
  const half = { part: "logs", done: 1_500_000, of: 3_000_000, bytes: 70_000_000 };
  expect(progressLine(half, began, 15_000)).toBe(
    "log lines                         [############............] 50 %  1,500,000 of 3,000,000  66.8 MiB  100,000/s  15s left",
  );
});

test("of what nobody knows the end of it says what is done; nothing takes no time", () => {
  const began = { startedMs: 0, doneBefore: 0 };
  expect(progressLine({ part: "metrics", done: 42, of: null, bytes: 0 }, began, 84_000)).toBe(
    "metrics                           42",
  );
  expect(progressLine({ part: "logs", done: 0, of: 0, bytes: 0 }, began, 0)).toBe(
    "log lines                         0 of 0",
  );
});
