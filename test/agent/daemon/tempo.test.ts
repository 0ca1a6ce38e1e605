import { describe, expect, test } from "bun:test";

import { createTempo } from "#src/agent/daemon/tempo.ts";

describe("the tempo", () => {
  test("is restful at first, brisk from the first work on, restful again after a while without any", () => {
    const scales: number[] = [];
    const tempo = createTempo((scale) => scales.push(scale));
    tempo.busy();
    tempo.busy();
    tempo.rest();
    expect(scales).toEqual([32, 1]);
    tempo.busy();
    tempo.rest();
    tempo.rest();
    tempo.rest();
    expect(scales).toEqual([32, 1, 32]);
  });

  test("is one that the engine takes", () => {
    const tempo = createTempo();
    tempo.busy();
    tempo.rest();
  });
});
