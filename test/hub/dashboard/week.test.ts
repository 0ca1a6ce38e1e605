/** What is left of a server, going by its last week. */
import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { thinned } from "#src/hub/dashboard/pages/server/things.tsx";
import { growthOf, weekOf } from "#src/hub/dashboard/pages/server/week.ts";
import type { MetricSeries, MetricsAnswer } from "#src/protocol/metrics.ts";

const step = 1800;
const steps = 336;
const from = Date.parse("2026-05-01T00:00:00.000Z");
const now = from + steps * step * 1000;
const gb = 1024 ** 3;

const series = (name: string, values: (number | null)[], more: Partial<MetricSeries> = {}): MetricSeries => ({
  name,
  subject: null,
  unit: "1",
  values,
  ...more,
});
const all = (value: number) => Array.from({ length: steps }, () => value);
const answer = (...list: MetricSeries[]): MetricsAnswer => ({
  from: new Date(from).toISOString(),
  to: new Date(now).toISOString(),
  step,
  resolution: 300,
  series: list,
  marks: [],
});
const disk = (values: (number | null)[]) => [
  series("host.disk.used", values),
  series("host.disk.total", all(200 * gb)),
];

describe("what is left", () => {
  test("is what the busiest half hour, the highest memory and the fullest disk leave", () => {
    const cpu = all(10);
    cpu[100] = 60;
    const week = weekOf(
      answer(
        series("host.cpu", cpu, { max: all(100) }),
        series("host.memory.used", all(4 * gb), { max: all(6 * gb) }),
        series("host.memory.total", all(16 * gb)),
        ...disk(all(50 * gb)),
      ),
      8,
      now,
    );
    expect(week.cpu).toEqual({ peak: 4.8, total: 8 });
    expect(week.memory).toEqual({ peak: 6 * gb, total: 16 * gb });
    expect(week.disk).toEqual({ peak: 50 * gb, total: 200 * gb });
    expect([week.days, week.heard, week.diskDays]).toEqual([7, 1, null]);
  });

  test("says how often what runs already would fit again, and what runs out first", () => {
    const of = (subject: string) => ({ subject });
    const { fits } = weekOf(
      answer(
        series("host.cpu", all(50)),
        series("host.memory.used", all(4 * gb)),
        series("host.memory.total", all(8 * gb)),
        series("script.cpu", all(50), of("api")),
        series("script.memory", all(0.1 * gb), of("api")),
        series("container.cpu", all(1), of("db")),
        series("container.memory", all(3 * gb), of("db")),
      ),
      4,
      now,
    );
    expect(fits).toEqual([
      { name: "api", times: 4, scarce: "CPU" },
      { name: "db", times: 1, scarce: "memory" },
    ]);
  });

  test("of a server that nothing is known of is nothing, not zero", () => {
    const week = weekOf(answer(), null, now);
    expect(week).toEqual({
      days: 0,
      cpu: null,
      memory: null,
      disk: null,
      diskGrowth: null,
      diskDays: null,
      fits: [],
      heard: null,
    });
  });

  test("of the time since its first report a server was heard in, that watched over SSH left out", () => {
    const cpu = Array.from({ length: steps }, (_, i) => (i < 136 || i % 4 === 0 ? null : 5));
    const ssh = Array.from({ length: steps }, (_, i) => (i >= 236 && i % 4 !== 0 ? 1 : null));
    const { heard, days } = weekOf(answer(series("host.cpu", cpu), series("host.ssh", ssh)), 1, now);
    expect(days).toBeCloseTo((199 * step) / 86_400, 6);
    expect(heard).toBeCloseTo(75 / 199, 6);
  });
});

describe("a disk that grows", () => {
  test("is full when its trend says so, whatever the slope", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (perDay) => {
        const values = Array.from({ length: steps }, (_, i) => 100 * gb + (perDay * gb * i * step) / 86_400);
        const { diskGrowth, diskDays } = weekOf(answer(...disk(values)), 1, now);
        expect(diskGrowth).toBeCloseTo(perDay * gb, -3);
        expect(diskDays).toBeCloseTo((200 * gb - (values.at(-1) ?? 0)) / (perDay * gb), 3);
      }),
    );
  });

  test("is not one that held a large file for a day", () => {
    const values = Array.from({ length: steps }, (_, i) => (i > 200 && i < 248 ? 190 : 100) * gb);
    expect(weekOf(answer(...disk(values)), 1, now)).toMatchObject({ diskGrowth: 0, diskDays: null });
  });

  test("has no trend before half a day is known", () => {
    expect(growthOf([1, 2, null, 3], step)).toBeNull();
  });
});

test("a long line is thinned to means, and a stretch without figures stays a gap", () => {
  expect(thinned([1, 3, null, null, 5, 7], 3)).toEqual([2, null, 6]);
  expect(thinned([1, null], 3)).toEqual([1, null]);
});
