import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parseAuxv } from "#src/procfs/auxv.ts";
import { parseBootId } from "#src/procfs/boot-id.ts";
import { parseLoadavg } from "#src/procfs/loadavg.ts";
import { parseMeminfo } from "#src/procfs/meminfo.ts";
import { filesystemTypeAt } from "#src/procfs/mountinfo.ts";
import { parseNetDev } from "#src/procfs/net-dev.ts";
import { parseBondMembers, parseVlanParents } from "#src/procfs/net-stacks.ts";
import { parseStat } from "#src/procfs/stat.ts";
import { parseUptime } from "#src/procfs/uptime.ts";

const fixture = (path: string) => readFileSync(`${import.meta.dir}/../fixtures/proc/${path}`, "utf8");

describe("/proc/stat", () => {
  test("gives the time of all CPUs, guest time once, and the cores that are online", () => {
    expect(parseStat(fixture("offlined-cpu/later/stat"))).toEqual({
      cpu: {
        user: 120_600,
        nice: 300,
        system: 50_300,
        idle: 3_800_900,
        iowait: 11_900,
        irq: 0,
        softirq: 2500,
        steal: 200,
      },
      cores: 3,
    });
  });

  test("fills what a kernel of four columns does not have with 0", () => {
    expect(parseStat(fixture("ancient-kernel/proc/stat"))).toEqual({
      cpu: { user: 5000, nice: 100, system: 2000, idle: 92_900, iowait: 0, irq: 0, softirq: 0, steal: 0 },
      cores: 1,
    });
  });

  test("counts 320 cores in front of a long line of interrupts", () => {
    expect(parseStat(fixture("many-cpus/proc/stat"))?.cores).toBe(320);
  });

  test("has no cores when the text has no line for any", () => {
    expect(parseStat("cpu 1 2 3 4")?.cores).toBe(0);
  });

  for (const text of ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4\n", "cpu 1 2 x 4\n", "cpu -1 2 3 4\n", "intr 1 2 3 4\n"]) {
    test(`is undefined for ${JSON.stringify(text)}`, () => {
      expect(parseStat(text)).toBeUndefined();
    });
  }
});

describe("/proc/meminfo", () => {
  const kib = 1024;

  test("takes the kernel's own figure of available memory", () => {
    const [total, available] = [16_303_428 * kib, 9_876_540 * kib];
    expect(parseMeminfo(fixture("offlined-cpu/proc/meminfo"))).toEqual({ total, available, used: total - available });
  });

  test("estimates it from free memory and caches, without shared memory, on kernels before 3.14", () => {
    const total = 4_056_272 * kib;
    const available = (512_340 + 201_232 + 1_512_344 - 112_344 + 212_344) * kib;
    expect(parseMeminfo(fixture("old-kernel/proc/meminfo"))).toEqual({ total, available, used: total - available });
  });

  test("does without shared and reclaimable memory on kernels that don't tell them", () => {
    const total = 516_096 * kib;
    const available = (124_096 + 40_960 + 204_800) * kib;
    expect(parseMeminfo(fixture("ancient-kernel/proc/meminfo"))).toEqual({ total, available, used: total - available });
  });

  test("never has more available than there is", () => {
    const total = 1_048_576 * kib;
    expect(parseMeminfo(fixture("lxcfs/proc/meminfo"))).toEqual({ total, available: total, used: 0 });
  });

  for (const text of [
    "",
    "MemTotal: 5 kB\n",
    "MemFree: 5 kB\n",
    "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
    "MemTotal: 10 kB\nMemAvailable: 1",
    "MemTotal: 1e3 kB\nMemAvailable: 5 kB\n",
    "XMemTotal: 10 kB\nXMemAvailable: 5 kB\n",
  ]) {
    test(`is undefined for ${JSON.stringify(text)}`, () => {
      expect(parseMeminfo(text)).toBeUndefined();
    });
  }
});

describe("/proc/loadavg, /proc/uptime and the boot id", () => {
  test("are read", () => {
    expect(parseLoadavg("12.10 8.02 4.33 14/321 4711\n")).toEqual([12.1, 8.02, 4.33]);
    expect(parseUptime("4345678.90 8123456.78\n")).toBe(4_345_678.9);
    expect(parseBootId("D9F3A5C8-1b2c-4d3e-8f90-0123456789ab\n")).toBe("d9f3a5c8-1b2c-4d3e-8f90-0123456789ab");
  });

  test("are undefined when they are cut or something else", () => {
    for (const text of ["", "0.52 0.5", "1 2 3", "nan 1 1 1/1 1", "-1 1 1 1/1 1"]) {
      expect(parseLoadavg(text)).toBeUndefined();
    }
    for (const text of ["", "12345.", "1e400 0", "-1 0", "x y"]) expect(parseUptime(text)).toBeUndefined();
    for (const text of ["", "d9f3a5c8", "d9f3a5c8-1b2c-4d3e-8f90-0123456789ab-x"]) {
      expect(parseBootId(text)).toBeUndefined();
    }
  });
});

describe("/proc/net/dev", () => {
  test("is read when there is no blank behind the colon", () => {
    expect([...(parseNetDev(fixture("old-kernel/proc/1/net/dev")) ?? [])]).toEqual([
      ["lo", { rxBytes: 1_048_576, txBytes: 1_048_576 }],
      ["eth0", { rxBytes: 4_012_345_678, txBytes: 1_987_654_321 }],
      ["eth1", { rxBytes: 0, txBytes: 0 }],
    ]);
  });

  test("leaves out a line that is cut", () => {
    expect([...(parseNetDev(fixture("truncated/proc/1/net/dev"))?.keys() ?? [])]).toEqual(["lo", "eth0"]);
  });

  test("counts an interface that shows up twice once", () => {
    const [first = "", second = "", line = ""] = fixture("copy/proc/net/dev").split("\n");
    expect(parseNetDev([first, second, line, line, ""].join("\n"))?.size).toBe(1);
  });

  test("is undefined for another text", () => {
    expect(parseNetDev("")).toBeUndefined();
    expect(parseNetDev("eth0: 1 2 3")).toBeUndefined();
  });
});

describe("bonds and VLANs", () => {
  test("tell their members and parents", () => {
    expect(parseBondMembers(fixture("bond-and-vlans/proc/1/net/bonding/uplink"))).toEqual(["eno1", "eno2"]);
    expect([...parseVlanParents(fixture("bond-and-vlans/proc/1/net/vlan/config"))]).toEqual([
      ["uplink.100", "uplink"],
      ["storage", "eno3"],
    ]);
  });
});

describe("mountinfo", () => {
  const text = [
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 21 0:40 / /mnt/data rw shared:5 master:3 - nfs4 server:/x rw,vers=4.2",
    "31 21 0:41 / /mnt/with\\040blank rw - fuse.sshfs me@there rw",
    "32 21 8:2 / /srv rw - xfs /dev/sdb1 rw",
    "33 32 0:42 / /srv rw - cifs //there/srv rw",
    "34 21 0:43 / /broken",
    "",
  ].join("\n");

  for (const [path, type] of [
    ["/", "ext4"],
    ["/mnt", "ext4"],
    ["/mnt/data", "nfs4"],
    ["/mnt/data/deep/down", "nfs4"],
    ["/mnt/database", "ext4"],
    ["/mnt/with blank/x", "fuse.sshfs"],
    ["/srv", "cifs"],
  ] as const) {
    test(`says ${type} for ${path}`, () => {
      expect(filesystemTypeAt(text, path)).toBe(type);
    });
  }

  test("says nothing when it does not know", () => {
    expect(filesystemTypeAt("", "/")).toBeUndefined();
    expect(filesystemTypeAt("garbage\n- - - - - - -", "/")).toBeUndefined();
  });
});

describe("the auxiliary vector", () => {
  test("tells this machine's page size and clock ticks", () => {
    const getconf = (name: string) => Number(Bun.spawnSync(["getconf", name]).stdout.toString());
    expect(parseAuxv(readFileSync("/proc/self/auxv"))).toEqual({
      pageSizeBytes: getconf("PAGESIZE"),
      ticksPerSecond: getconf("CLK_TCK"),
    });
  });

  test("is undefined when it is cut or empty", () => {
    expect(parseAuxv(new Uint8Array())).toBeUndefined();
    expect(parseAuxv(readFileSync("/proc/self/auxv").subarray(0, 40))).toBeUndefined();
  });
});
