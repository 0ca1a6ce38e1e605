import { describe, expect, test } from "bun:test";

import { createHistory } from "#src/hub/metrics/history.ts";
import { createCharts } from "#src/hub/metrics/metrics.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Series } from "#src/protocol/series.ts";

const start = Date.parse("2026-03-10T12:00:30.000Z");
const retention = { raw: 7 * 86_400, minutes: 90 * 86_400, hours: 400 * 86_400 };

/** A store that other hubs write to, too. */
function rig() {
  let nowMs = start;
  const stored = new Map<string, Series>();
  const asked: string[][] = [];
  let away = false;
  const readMany = async (origins: readonly string[]) => {
    asked.push([...origins]);
    if (away) throw new Fault("unavailable", "ClickHouse is away");
    return new Map(
      origins.flatMap((origin) => {
        const series = stored.get(origin);
        return series === undefined ? [] : [[origin, [series]] as const];
      }),
    );
  };
  const charts = createCharts({ read: async () => [], readMany, retention, now: () => nowMs });
  return {
    history: createHistory(charts, () => nowMs),
    asked,
    put: (origin: string, cpu: number) => {
      const times = [Math.floor(nowMs / 1000)];
      stored.set(origin, { key: "host.cpu", times, mean: [cpu], min: [cpu], max: [cpu], count: [1] });
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
    setAway: (isAway: boolean) => {
      away = isAway;
    },
  };
}

const lastOf = (values: readonly (number | null)[] | undefined) => values?.findLast((value) => value !== null);

describe("the last hour of all servers", () => {
  test("shows within a minute what came in at another hub", async () => {
    const { history, put, pass } = rig();
    expect((await history.of(["web"])).servers).toEqual({});
    put("web", 5);
    pass(60_001);
    expect(lastOf((await history.of(["web"])).servers["web"]?.cpu)).toBe(5);
    put("web", 7);
    pass(60_001);
    expect(lastOf((await history.of(["web"])).servers["web"]?.cpu)).toBe(7);
  });

  test("is read once for all who ask at the same time, many servers at a time", async () => {
    const { history, asked, put } = rig();
    const ids = Array.from({ length: 250 }, (_, i) => `server-${i}`);
    for (const [i, id] of ids.entries()) put(id, i);
    const [one, other] = await Promise.all([history.of(ids), history.of(ids)]);
    expect(one).toEqual(other);
    expect(Object.keys(one.servers)).toHaveLength(250);
    expect(lastOf(one.servers["server-249"]?.cpu)).toBe(249);
    expect(asked.map((some) => some.length)).toEqual([100, 100, 50]);
  });

  test("fails while the store is away, and is there again with it", async () => {
    const { history, put, setAway } = rig();
    put("web", 5);
    setAway(true);
    expect(history.of(["web"])).rejects.toThrow("ClickHouse is away");
    expect(history.of(["web"])).rejects.toThrow("ClickHouse is away");
    await history.of([]);
    setAway(false);
    expect(lastOf((await history.of(["web"])).servers["web"]?.cpu)).toBe(5);
  });
});
