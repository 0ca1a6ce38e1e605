import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as fc from "fast-check";
import { createMetrics } from "#src/agent/metrics/metrics.ts";
import { systemClock } from "#src/lib/clock.ts";
import { systemMetrics } from "#src/protocol/heartbeat.ts";

const machines = `${import.meta.dir}/../../fixtures/proc`;
const scratch = mkdtempSync(`${tmpdir()}/orion-metrics-`);
afterAll(() => rmSync(scratch, { recursive: true }));

let nowMs = 0;
let logged: string[] = [];
beforeEach(() => {
  nowMs = 0;
  logged = [];
});

const metricsOf = (procPath: string, diskPath = scratch) =>
  createMetrics({
    procPath,
    diskPath,
    clock: { ...systemClock, monotonic: () => nowMs },
    log: { warn: (line) => logged.push(line) },
  });
const read = (machine: string) => metricsOf(`${machines}/${machine}/proc`).openReader().read();

/** A procfs that can be another one the next moment. */
function switchable(name: string): { path: string; show(tree: string): void } {
  const path = `${scratch}/${name}`;
  return {
    path,
    show(tree) {
      rmSync(path, { force: true });
      symlinkSync(tree.startsWith("/") ? tree : `${machines}/${tree}`, path);
    },
  };
}

describe("figures of odd machines", () => {
  const usual = { memory: { total: 16_694_710_272, used: 6_581_133_312, available: 10_113_576_960, usage: 39.42 } };

  test("an old kernel without MemAvailable and without a blank behind the colon", () => {
    const { disk: _disk, ...figures } = read("old-kernel");
    expect(figures).toEqual({
      cpu: { usage: null, cores: 2 },
      memory: { total: 4_153_622_528, used: 1_771_884_544, available: 2_381_737_984, usage: 42.66 },
      network: { rxBytes: 4_012_345_678, txBytes: 1_987_654_321, rxRate: null, txRate: null },
      load: [12.1, 8.02, 4.33],
      uptime: 4_345_678.9,
    });
  });

  test("a kernel 2.4", () => {
    const { disk: _disk, ...figures } = read("ancient-kernel");
    expect(figures).toEqual({
      cpu: { usage: null, cores: 1 },
      memory: { total: 528_482_304, used: 149_749_760, available: 378_732_544, usage: 28.34 },
      network: { rxBytes: 123_456, txBytes: 654_321, rxRate: null, txRate: null },
      load: [0.52, 0.58, 0.59],
      uptime: 12_345.67,
    });
  });

  test("320 CPUs", () => {
    expect(read("many-cpus").cpu).toEqual({ usage: null, cores: 320 });
  });

  for (const [machine, rxBytes, txBytes] of [
    ["bond-and-vlans", 5_300_000, 6_030_000],
    ["bond-of-vlans", 300, 30],
    ["bond-sysfs", 310, 31],
    ["team", 300, 30],
    ["container-host", 7_000_000, 3_000_000],
    ["azure", 9000, 8000],
    ["azure-sysfs", 9000, 8000],
    ["lxc-guest", 1234, 4321],
    ["tap-only", 1234, 4321],
    ["veth-only", 55, 66],
    ["in-container", 7_000_000, 3_000_000],
    ["copy", 500, 600],
    ["truncated", 1234, 4321],
    ["loopback-only", null, null],
    ["bridge-only", null, null],
  ] as const) {
    test(`${machine} has received ${rxBytes} and sent ${txBytes} bytes`, () => {
      expect(read(machine).network).toEqual({ rxBytes, txBytes, rxRate: null, txRate: null });
    });
  }

  test("every machine's figures are what the protocol allows, and a sound one has no problems", () => {
    const metrics = metricsOf(`${machines}/offlined-cpu/proc`);
    const figures = metrics.openReader().read();
    expect(systemMetrics.parse(figures)).toEqual(figures);
    expect(figures.memory).toEqual(usual.memory);
    expect(metrics.problems()).toEqual([]);
    expect(logged).toEqual([]);
  });
});

describe("shares and rates", () => {
  test("are of the time since the reading before, also when a CPU went offline meanwhile", () => {
    const proc = switchable("offlined");
    proc.show("offlined-cpu/proc");
    const reader = metricsOf(proc.path).openReader();
    proc.show("offlined-cpu/later");
    expect(reader.read().cpu).toEqual({ usage: 50, cores: 3 });
  });

  test("hold until enough time has passed to tell new ones", () => {
    const proc = switchable("held");
    proc.show("offlined-cpu/proc");
    const reader = metricsOf(proc.path).openReader();
    proc.show("offlined-cpu/later");
    expect(reader.read().cpu.usage).toBe(50);
    expect(reader.read().cpu.usage).toBe(50);
  });

  test("of one reader don't depend on another one", () => {
    const proc = switchable("two-readers");
    proc.show("offlined-cpu/proc");
    const metrics = metricsOf(proc.path);
    const [heartbeat, status] = [metrics.openReader(), metrics.openReader()];
    proc.show("offlined-cpu/later");
    const late = metrics.openReader();
    expect([heartbeat, status, late].map((reader) => reader.read().cpu.usage)).toEqual([50, 50, null]);
  });

  test("survive counters that wrap, begin again, and interfaces that come", () => {
    const proc = switchable("counters");
    proc.show("counters/proc");
    const reader = metricsOf(proc.path).openReader();
    proc.show("counters/later");
    nowMs = 10_000;
    const figures = reader.read();
    // eth0 wrapped: 10,000 and 1,000 bytes; eth1 is unknown; eth2: 30,000 and 3,000; eth3 has nothing before
    expect(figures.network).toEqual({ rxBytes: 777_816_481, txBytes: 888_901_592, rxRate: 4000, txRate: 400 });
    // the machine's ticks are fewer than before
    expect(figures.cpu.usage).toBeNull();
  });

  test("are unknown when the only interface was made anew, and known again after it", () => {
    const proc = switchable("anew");
    const reader = (proc.show("container-host/proc"), metricsOf(proc.path).openReader());
    const tree = (rx: number, tx: number) => {
      const folder = `${scratch}/anew-${rx}`;
      mkdirSync(`${folder}/1/net`, { recursive: true });
      writeFileSync(`${folder}/1/net/dev`, `Inter-|\n face |\n  ens5: ${rx} 0 0 0 0 0 0 0 ${tx} 0 0 0 0 0 0 0\n`);
      return folder;
    };
    proc.show(tree(1000, 2000));
    nowMs += 30_000;
    expect(reader.read().network).toEqual({ rxBytes: 1000, txBytes: 2000, rxRate: null, txRate: null });
    proc.show(tree(61_000, 2000));
    nowMs += 30_000;
    expect(reader.read().network).toEqual({ rxBytes: 61_000, txBytes: 2000, rxRate: 2000, txRate: 0 });
  });
});

describe("what can't be read", () => {
  const nothing = {
    cpu: { usage: null, cores: null },
    memory: { total: null, used: null, available: null, usage: null },
    network: { rxBytes: null, txBytes: null, rxRate: null, txRate: null },
    uptime: null,
  };

  for (const [machine, load] of [
    ["missing", [0, 0.01, 0.05]],
    ["empty", null],
    ["garbage", null],
  ] as const) {
    test(`${machine} files give nulls and a problem each, and the others go on`, () => {
      const metrics = metricsOf(`${machines}/${machine}/proc`);
      const { disk, ...figures } = metrics.openReader().read();
      expect(figures).toEqual({ ...nothing, load: load === null ? null : [...load] });
      expect(disk.total).toBeGreaterThan(0);
      const failing = ["CPU", "memory", "network", ...(load === null ? ["load"] : []), "uptime"];
      expect(metrics.problems().map(({ what }) => what)).toEqual(failing.map((what) => `${what} can't be read`));
    });
  }

  test("cut and impossible numbers are never taken for figures", () => {
    expect(read("truncated")).toMatchObject({ ...nothing, network: { rxBytes: 1234, txBytes: 4321 }, load: null });
    expect(read("odd-numbers")).toMatchObject({ ...nothing, load: null });
  });

  test("each cause is logged once, and is gone when it is mended", () => {
    const proc = switchable("mended");
    proc.show("missing/proc");
    const metrics = metricsOf(proc.path);
    const reader = metrics.openReader();
    for (let times = 0; times < 3; times++) reader.read();
    expect(logged).toEqual([
      `CPU can't be read: ${proc.path}/stat does not exist; mount procfs there, or set PROC_PATH to where it is mounted`,
      `memory can't be read: ${proc.path}/meminfo does not exist; mount procfs there, or set PROC_PATH to where it is mounted`,
      `network can't be read: ${proc.path}/net/dev does not exist; mount procfs there, or set PROC_PATH to where it is mounted`,
      `uptime can't be read: ${proc.path}/uptime does not exist; mount procfs there, or set PROC_PATH to where it is mounted`,
    ]);
    proc.show("empty/proc");
    reader.read();
    expect(logged[4]).toContain("/stat is empty");
    proc.show("old-kernel/proc");
    expect(reader.read().cpu.cores).toBe(2);
    expect(metrics.problems()).toEqual([]);
  });

  test("the container's own interfaces are never passed off as the host's", () => {
    const metrics = metricsOf(`${machines}/in-container-hidepid/proc`);
    expect(metrics.openReader().read().network).toEqual(nothing.network);
    expect(metrics.problems()).toMatchObject([
      { what: "network can't be read", todo: expect.stringContaining("hidepid") },
    ]);
  });

  test("a path that is a pipe, a folder, or not there at all stops nothing", () => {
    const folder = `${scratch}/odd-files`;
    mkdirSync(`${folder}/stat`, { recursive: true });
    Bun.spawnSync(["mkfifo", `${folder}/meminfo`]);
    symlinkSync("/dev/zero", `${folder}/uptime`);
    symlinkSync("loadavg", `${folder}/loadavg`);
    const metrics = metricsOf(folder, `${scratch}/nowhere`);
    expect(metrics.openReader().read()).toEqual({
      ...nothing,
      load: null,
      disk: { path: `${scratch}/nowhere`, total: null, used: null, usage: null },
    });
    expect(metrics.problems().map(({ why }) => why.replaceAll(scratch, ""))).toEqual([
      "/odd-files/stat can't be read: EISDIR",
      "/odd-files/meminfo is empty",
      "/nowhere can't be measured: ENOENT",
      "/odd-files/net/dev does not exist",
      "/odd-files/loadavg can't be read: ELOOP",
      "/odd-files/uptime can't be read: it is larger than 4194304 bytes",
    ]);
  });

  test("a filesystem without blocks has no figures, and that is no problem", () => {
    const metrics = metricsOf("/proc", "/proc");
    expect(metrics.openReader().read().disk).toEqual({ path: "/proc", total: null, used: null, usage: null });
    expect(metrics.problems()).toEqual([]);
  });

  test("whatever lies in procfs, nothing is thrown and figures are null or possible", () => {
    const folder = `${scratch}/anything`;
    mkdirSync(`${folder}/1/net/bonding`, { recursive: true });
    const bytes = fc.uint8Array({ maxLength: 300 });
    const line = fc.array(fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n }), fc.string()), { maxLength: 20 });
    const lines = fc.array(fc.tuple(fc.constantFrom("cpu", "cpu0", "MemTotal:", "MemFree:", "eth0:", "bond0:"), line));
    const content = fc.oneof(
      bytes,
      lines.map((all) => Buffer.from(all.map(([label, rest]) => `${label} ${rest.join(" ")} kB\n`).join(""))),
      line.map((rest) => Buffer.from(rest.join(" "))),
      line.map((rest) => Buffer.from(`Inter-|\n face |\n eth0: ${rest.join(" ")} 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n`)),
    );
    const files = ["stat", "meminfo", "loadavg", "uptime", "1/net/dev", "1/net/bonding/bond0"] as const;
    const tree = fc.tuple(...files.map(() => content));
    const lay = (contents: Uint8Array[]) => {
      for (const [index, file] of files.entries()) writeFileSync(`${folder}/${file}`, contents[index] ?? "");
    };
    fc.assert(
      fc.property(tree, tree, fc.nat(100_000), (first, second, passedMs) => {
        lay(first);
        const reader = metricsOf(folder).openReader();
        lay(second);
        nowMs += passedMs;
        const figures = reader.read();
        expect(systemMetrics.safeParse(figures).success).toBe(true);
        for (const { usage } of [figures.cpu, figures.memory]) expect(usage === null || usage <= 100).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
