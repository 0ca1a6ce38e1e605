/** Texts that come from another host, where no system call can be made. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { parseCgroupFigures } from "#src/procfs/cgroup-figures.ts";
import { diskUsage, parseDf, parseStatFilesystem } from "#src/procfs/disk-usage.ts";
import { trafficRates } from "#src/procfs/traffic.ts";

const heading = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n";

describe("what df prints", () => {
  const rows: readonly (readonly [name: string, text: string, numbers: readonly number[] | undefined])[] = [
    ["as POSIX says", `${heading}/dev/sda1  1000  300  600  34% /\n`, [1000, 700, 600]],
    [
      "of a device with a blank in its name",
      `${heading}//nas/my share 2000 500 1500 25% /mnt/my share\n`,
      [2000, 1500, 1500],
    ],
    [
      "broken behind a long device",
      `${heading}/dev/mapper/very-long-name\n    1000  300  600  34% /\n`,
      [1000, 700, 600],
    ],
    ["filled into root's share", `${heading}/dev/sda1  1000  980  -30  104% /\n`, [1000, 20, 0]],
    ["of a filesystem without blocks", `${heading}proc  0  0  0  - /proc\n`, [0, 0, 0]],
    ["as an error", "df: /x: No such file or directory\n", undefined],
    ["as nothing", "", undefined],
  ];
  for (const [name, text, numbers] of rows) {
    test(name, () => {
      const blocks = parseDf(text);
      expect(blocks && [blocks.blocks, blocks.free, blocks.available]).toEqual(numbers as number[]);
      if (blocks !== undefined) expect(blocks.unitBytes).toBe(1024);
    });
  }
});

describe("what stat -f prints", () => {
  test("is size of a block, blocks, free and available ones", () => {
    expect(parseStatFilesystem("4096 100 60 50\n")).toEqual({ unitBytes: 4096, blocks: 100, free: 60, available: 50 });
    expect(parseStatFilesystem("4096 100 60 -5\n")).toMatchObject({ available: 0 });
  });

  test("is nothing else", () => {
    for (const text of ["", "4096 100 60", "4096 100 x 50", "stat: cannot read"]) {
      expect(parseStatFilesystem(text)).toBeUndefined();
    }
  });
});

test("a disk's usage is that of df: 100 % is where programs fail", () => {
  expect(diskUsage({ unitBytes: 1024, blocks: 1000, free: 700, available: 600 })).toEqual({
    total: 1_024_000,
    used: 307_200,
    usage: 33.33,
  });
  expect(diskUsage({ unitBytes: 1024, blocks: 100, free: 5, available: 0 })?.usage).toBe(100);
  expect(diskUsage({ unitBytes: 4096, blocks: 0, free: 0, available: 0 })).toBeUndefined();
});

describe("a control group", () => {
  test("of v2 is read by its files' names", () => {
    const g = "/sys/fs/cgroup/system.slice/docker-1f:2e.scope";
    const text = [
      `${g}/cpu.stat:usage_usec 2000`,
      `${g}/memory.current:10000`,
      `${g}/memory.max:max`,
      `${g}/memory.stat:inactive_file 4000`,
      `${g}/io.stat:8:0 rbytes=100 wbytes=200 rios=1 wios=2`,
      `${g}/io.stat:8:16 rbytes=1 wbytes=2 rios=1 wios=2`,
    ].join("\n");
    expect(parseCgroupFigures(text)).toEqual({
      cpuNs: 2_000_000,
      memory: 6000,
      memoryLimit: null,
      readBytes: 101,
      writtenBytes: 202,
    });
  });

  test("of v1 likewise, with the groups below it", () => {
    const text = [
      "/sys/fs/cgroup/cpuacct/docker/1f/cpuacct.usage:123456789",
      "/sys/fs/cgroup/memory/docker/1f/memory.usage_in_bytes:10000",
      "/sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes:50000",
      "/sys/fs/cgroup/memory/docker/1f/memory.stat:inactive_file 1",
      "/sys/fs/cgroup/memory/docker/1f/memory.stat:total_inactive_file 3000",
      "/sys/fs/cgroup/blkio/docker/1f/blkio.throttle.io_service_bytes_recursive:8:0 Read 100",
      "/sys/fs/cgroup/blkio/docker/1f/blkio.throttle.io_service_bytes_recursive:8:0 Write 200",
    ].join("\n");
    expect(parseCgroupFigures(text)).toEqual({
      cpuNs: 123_456_789,
      memory: 7000,
      memoryLimit: 50_000,
      readBytes: 100,
      writtenBytes: 200,
    });
  });

  test("of which nothing can be read is null throughout", () => {
    expect(Object.values(parseCgroupFigures(""))).toEqual([null, null, null, null, null]);
  });
});

test("rates are over the interfaces that were there both times", () => {
  const of = (rxBytes: number, txBytes: number) => ({ rxBytes, txBytes });
  const before = new Map([["eth0", of(100, 10)]]);
  const now = new Map([
    ["eth0", of(700, 40)],
    ["eth1", of(5000, 5000)],
  ]);
  expect(trafficRates(before, now, ["eth0", "eth1"], 60)).toEqual({ rxRate: 10, txRate: 1 });
  expect(trafficRates(before, now, ["eth1"], 60)).toEqual({ rxRate: null, txRate: null });
});

test("no text makes these parsers throw", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      parseDf(text);
      parseStatFilesystem(text);
      parseCgroupFigures(`/a/memory.stat:${text}\n/a/cpu.stat:${text}`);
    }),
  );
});
