/** The figures of the machine that runs this, beside those of its own tools. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createMetrics } from "#src/agent/metrics/metrics.ts";
import { systemClock } from "#src/lib/clock.ts";

const metrics = createMetrics({ procPath: "/proc", diskPath: "/", clock: systemClock, log: console });

const run = (...command: string[]) => Bun.spawnSync(command, { env: { LC_ALL: "C" } }).stdout.toString();
const numbersOf = (line: string | undefined) => (line ?? "").split(/\s+/).map(Number);

/** What a tool says lies within what was read before and after it, but for what moves within one reading. */
function expectBetween(tool: number | undefined, before: number | null, after: number | null, slack: number): void {
  expect(before).not.toBeNull();
  expect(tool).toBeGreaterThanOrEqual(Math.min(before ?? 0, after ?? 0) - slack);
  expect(tool).toBeLessThanOrEqual(Math.max(before ?? 0, after ?? 0) + slack);
}

/** Reads the figures, asks the tool, reads again. */
function around<T>(ask: () => T) {
  const reader = metrics.openReader();
  return [reader.read(), ask(), reader.read()] as const;
}

describe("this machine", () => {
  test("has as many cores online as getconf counts", () => {
    expect(metrics.openReader().read().cpu.cores).toBe(Number(run("getconf", "_NPROCESSORS_ONLN")));
  });

  test.skipIf(Bun.which("free") === null)("has the memory that free tells", () => {
    const [before, line, after] = around(() => numbersOf(run("free", "-b").split("\n")[1]));
    expect(line[1]).toBe(before.memory.total ?? -1);
    // others start and end programs meanwhile
    expectBetween(line[6], before.memory.available, after.memory.available, (line[1] ?? 0) * 0.05);
  });

  test("has the disk that df tells", () => {
    const [before, line, after] = around(() =>
      numbersOf(run("df", "-B1", "--output=size,used,pcent", "/").split("\n")[1]?.trim().replace("%", "")),
    );
    expect(line[0]).toBe(before.disk.total ?? -1);
    expectBetween(line[1], before.disk.used, after.disk.used, (line[0] ?? 0) * 0.02);
    // df rounds up
    expectBetween(line[2], before.disk.usage, after.disk.usage, 2);
  });

  test("has been up and loaded as the kernel says", () => {
    const [before, up, after] = around(() => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]));
    expectBetween(up, before.uptime, after.uptime, 0);
    for (const load of before.load ?? [Number.NaN]) expect(load).toBeGreaterThanOrEqual(0);
  });

  test("is busy, by a share between nothing and all", () => {
    const reader = metrics.openReader();
    let usage: number | null = null;
    // a reading needs some clock ticks to look back on
    while (usage === null) usage = reader.read().cpu.usage;
    expect(usage).toBeGreaterThanOrEqual(0);
    expect(usage).toBeLessThanOrEqual(100);
  });

  const hardware = readdirSync("/sys/class/net").filter((name) => existsSync(`/sys/class/net/${name}/device`));
  test.skipIf(hardware.length === 0 || existsSync("/sys/class/net/bonding_masters"))(
    "has received and sent what its network hardware has",
    () => {
      const [before, sums, after] = around(() =>
        ["rx_bytes", "tx_bytes"].map((file) =>
          hardware
            .map((name) => Number(readFileSync(`/sys/class/net/${name}/statistics/${file}`, "utf8")))
            .reduce((sum, bytes) => sum + bytes, 0),
        ),
      );
      expectBetween(sums[0], before.network.rxBytes, after.network.rxBytes, 0);
      expectBetween(sums[1], before.network.txBytes, after.network.txBytes, 0);
    },
  );

  test("has no problems", () => {
    metrics.openReader().read();
    expect(metrics.problems()).toEqual([]);
  });
});
