import { expect, test } from "bun:test";

import type { ProcessStat } from "#src/agent/supervisor/processes.ts";
import { createUsageMeter } from "#src/agent/supervisor/usage.ts";

const units = { pageSizeBytes: 4096, ticksPerSecond: 100 };
const stat = (pid: number, cpuTicks: number, rssPages: number): ProcessStat => ({
  pid,
  comm: "x",
  state: "S",
  parent: 1,
  group: 1,
  session: 1,
  cpuTicks,
  startTicks: pid,
  rssPages,
});

test("the first look measures since the start, the next ones since the last look", () => {
  const meter = createUsageMeter(units, 0);
  expect(meter.read([stat(1, 100, 10)], 2_000)).toEqual({ cpuPercent: 50, memoryBytes: 40_960 });
  expect(meter.read([stat(1, 400, 5)], 4_000)).toEqual({ cpuPercent: 150, memoryBytes: 20_480 });
});

test("processes that come count from zero, those that go take nothing away", () => {
  const meter = createUsageMeter(units, 0);
  meter.read([stat(1, 100, 1)], 10_000);
  expect(meter.read([stat(2, 50, 1), stat(3, 50, 2)], 20_000)).toEqual({ cpuPercent: 10, memoryBytes: 12_288 });
});

test("looks in quick succession keep the share of CPU and renew the memory", () => {
  const meter = createUsageMeter(units, 0);
  expect(meter.read([stat(1, 1, 1)], 500)).toEqual({ cpuPercent: null, memoryBytes: 4096 });
  meter.read([stat(1, 100, 1)], 1_000);
  expect(meter.read([stat(1, 200, 3)], 1_500)).toEqual({ cpuPercent: 100, memoryBytes: 12_288 });
});
