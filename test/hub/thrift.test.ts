import { expect, test } from "bun:test";

import { startThrift } from "#src/hub/thrift.ts";
import { createTestClock } from "#test/kit/clock.ts";

const mebibyte = 1024 * 1024;

/** A process with a heap of which `living` bytes are no garbage; a collection takes `pauseMs`. */
function startIn(pauseMs: number) {
  const clock = createTestClock();
  const heap = { bytes: 0, living: 0, collections: 0, codeReleases: 0 };
  const end = startThrift({ debug: () => undefined }, clock, {
    heapBytes: () => heap.bytes,
    collect() {
      clock.advance(pauseMs);
      heap.collections++;
      heap.bytes = heap.living;
    },
    releaseCode: () => ++heap.codeReleases,
  });
  return { clock, heap, end };
}

test("garbage is collected once there is a fifth of it, whatever lives", () => {
  const { clock, heap, end } = startIn(10);
  heap.bytes = heap.living = 100 * mebibyte;
  // what lives is not known before it was collected once
  clock.advance(5000);
  expect(heap.collections).toBe(1);
  heap.bytes = 119 * mebibyte;
  clock.advance(60_000);
  expect(heap.collections).toBe(1);
  heap.bytes = 121 * mebibyte;
  clock.advance(5000);
  expect([heap.collections, heap.bytes]).toEqual([2, 100 * mebibyte]);
  heap.living = heap.bytes = 125 * mebibyte;
  clock.advance(5000);
  heap.bytes = 149 * mebibyte;
  clock.advance(60_000);
  expect(heap.collections).toBe(3);
  end();
  heap.bytes = 300 * mebibyte;
  clock.advance(60_000);
  expect(heap.collections).toBe(3);
});

test("a small heap is left alone", () => {
  const { clock, heap } = startIn(10);
  heap.bytes = 60 * mebibyte;
  clock.advance(60_000);
  expect(heap.collections).toBe(0);
});

test("pauses take at most half a percent of the time", () => {
  const { clock, heap } = startIn(100);
  heap.living = 100 * mebibyte;
  for (let second = 0; second < 600; second++) {
    heap.bytes = 200 * mebibyte;
    clock.advance(1000);
  }
  expect(heap.collections).toBeGreaterThan(20);
  expect(heap.collections * 100).toBeLessThanOrEqual(0.005 * 610_000 + 100);
});

test("the code of the start is given back once", () => {
  const { clock, heap } = startIn(10);
  clock.advance(9000);
  expect(heap.codeReleases).toBe(0);
  clock.advance(600_000);
  expect(heap.codeReleases).toBe(1);
});
