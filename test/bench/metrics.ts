/**
 * Cost of one reading of all host metrics, beside the floor: reading /proc/stat alone into a buffer. Prints one line of
 * JSON, times in microseconds (medians and CPU). Run: `bun test/bench/metrics.ts [readings]`.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { createMetrics } from "#src/agent/metrics/metrics.ts";
import { systemClock } from "#src/lib/clock.ts";

const readings = Number(process.argv[2] ?? 2000);

function measure(run: () => unknown): { medianUs: number; p99Us: number; cpuUs: number } {
  // warm: the agent's own readings are cold, see `first`, but the steady cost is what can be compared
  for (let i = 0; i < 200; i++) run();
  const times: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < readings; i++) {
    const start = performance.now();
    run();
    times.push((performance.now() - start) * 1000);
  }
  const cpu = process.cpuUsage(cpuBefore);
  times.sort((a, b) => a - b);
  const at = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  return { medianUs: at(0.5), p99Us: at(0.99), cpuUs: Math.round((cpu.user + cpu.system) / readings) };
}

const metrics = createMetrics({ procPath: "/proc", diskPath: "/", clock: systemClock, log: console });
const reader = metrics.openReader();
const start = performance.now();
reader.read();
const firstUs = Math.round((performance.now() - start) * 1000);

const buffer = Buffer.alloc(64 * 1024);
const floor = measure(() => {
  const fd = openSync("/proc/stat", "r");
  const length = readSync(fd, buffer, 0, buffer.length, 0);
  closeSync(fd);
  return length;
});
const heapBefore = process.memoryUsage().rss;
const all = measure(() => reader.read());
const grownKiB = Math.round((process.memoryUsage().rss - heapBefore) / 1024);

console.log(
  JSON.stringify({
    bench: "metrics",
    readings,
    firstUs,
    floor,
    all,
    ratio: Math.round((all.medianUs / Math.max(1, floor.medianUs)) * 10) / 10,
    cpuSecondsPerHourAt30s: Math.round(((all.cpuUs * 120) / 1e6) * 1e4) / 1e4,
    rssGrownKiB: grownKiB,
  }),
);
