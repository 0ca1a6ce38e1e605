/** The script, run by real shells on this machine, and what is read out of it beside what the kernel says itself. */
import { chmodSync, mkdirSync, readFileSync, statfsSync, symlinkSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { readLook } from "#src/hub/ssh/polling/look.ts";
import { reportOf } from "#src/hub/ssh/polling/report.ts";
import { pollScript } from "#src/hub/ssh/polling/script.ts";
import { parseNetDev } from "#src/procfs/net-dev.ts";
import { trafficTotals } from "#src/procfs/traffic.ts";
import { parseUptime } from "#src/procfs/uptime.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const word = "0123456789abcdef01234567";
const nothing = { look: undefined, beat: undefined };

const shells = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(([name = ""]) => Bun.which(name) !== null);

async function lookBy(
  shell: readonly string[],
  { path = "", diskPath = "/", twice = false }: { path?: string; diskPath?: string; twice?: boolean } = {},
) {
  const script = pollScript({ word, diskPath, twice });
  const child = Bun.spawn([...shell, "-c", script], {
    env: { PATH: path === "" ? "/usr/bin:/bin" : `${path}:/usr/bin:/bin` },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  expect([await child.exited, errors]).toEqual([0, ""]);
  return readLook(output, word);
}

const uptime = () => parseUptime(readFileSync("/proc/uptime", "utf8")) ?? Number.NaN;
const traffic = () => parseNetDev(readFileSync("/proc/1/net/dev", "utf8")) ?? new Map<string, never>();

for (const shell of shells) {
  describe(`the script, by ${shell.join(" ")}`, () => {
    test("tells what the kernel tells", async () => {
      const before = { uptime: uptime(), traffic: traffic() };
      const look = await lookBy(shell, { twice: true });
      const after = { uptime: uptime(), traffic: traffic() };
      const { system, hostname } = reportOf(look, nothing, Date.now());
      expect(look.missing).toEqual([]);
      expect(hostname).toBe(readFileSync("/proc/sys/kernel/hostname", "utf8").trim());
      expect(system.uptime).toBeWithin(before.uptime, after.uptime + 0.02);
      expect(look.counters.uptime - (look.earlier?.uptime ?? 0)).toBeGreaterThanOrEqual(0.49);
      expect(system.cpu.cores).toBe(readFileSync("/proc/stat", "utf8").match(/^cpu\d/gm)?.length ?? 0);
      expect(system.cpu.usage).toBeWithin(0, 100.01);
      const total = /MemTotal: +(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
      expect(system.memory.total).toBe(Number(total) * 1024);
      const { blocks, bsize } = statfsSync("/");
      expect(system.disk.total).toBe(blocks * bsize);
      expect(system.load).toHaveLength(3);
      for (const side of ["rxBytes", "txBytes"] as const) {
        const [low, high] = [before, after].map((one) => trafficTotals(one.traffic, look.counted)[side]);
        if (look.counted.length > 0) expect(system.network[side]).toBeWithin(low ?? 0, (high ?? 0) + 1);
      }
    });

    test("takes any path, and the root where it does not exist", async () => {
      await using folder = temporaryFolder();
      const odd = folder.at(`a 'b' "c" $d \\e`);
      mkdirSync(odd);
      expect((await lookBy(shell, { diskPath: odd })).disk?.path).toBe(odd);
      expect((await lookBy(shell, { diskPath: "/no/such/path" })).disk?.path).toBe("/");
    });
  });
}

/** Programs that come before those of the machine. */
function programs(texts: Readonly<Record<string, string>>) {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(folder.at(name), `#!/bin/sh\n${text}\n`);
    chmodSync(folder.at(name), 0o755);
  }
  return folder;
}

const [shell = ["sh"]] = shells;
const inspected =
  '0 bridge {"Id":"0123456789ab","Name":"/db","Image":"sha256:1","RestartCount":2,"Config":{"Image":"postgres","Labels":{"orion.name":"","com.docker.compose.project":"shop","com.docker.compose.service":"db"}},"State":{"Status":"exited","Running":false,"StartedAt":"2026-01-01T00:00:00Z","Health":{"Status":"unhealthy"}}}';

describe("a host", () => {
  test.skipIf(Bun.which("busybox") === null)("with no tools but busybox tells as much", async () => {
    await using folder = temporaryFolder();
    for (const tool of ["cat", "grep", "ls", "stat", "df", "timeout", "sleep", "uname", "printf"]) {
      symlinkSync(Bun.which("busybox") ?? "", folder.at(tool));
    }
    const look = await lookBy(["busybox", "sh"], { path: folder.path });
    const { blocks, bsize } = statfsSync("/");
    expect([look.missing, look.disk?.total]).toEqual([[], blocks * bsize]);
  });

  test("without a stat that knows filesystems is asked by df", async () => {
    await using tools = programs({ stat: "exit 1" });
    const look = await lookBy(shell, { path: tools.path });
    const { blocks, bsize } = statfsSync("/");
    expect(Math.abs((look.disk?.total ?? 0) - blocks * bsize)).toBeLessThan(1024);
  });

  test("without either tells everything else", async () => {
    await using tools = programs({ stat: "exit 1", df: "exit 1" });
    const look = await lookBy(shell, { path: tools.path });
    expect(look.missing).toEqual(["the filesystem (neither stat -f nor df tells it)"]);
    expect(look.memory).toBeDefined();
  });

  test("without timeout is asked without", async () => {
    await using tools = programs({ timeout: "exit 127", docker: "exit 0" });
    expect((await lookBy(shell, { path: tools.path })).docker).toEqual({ kind: "listed", containers: [] });
  });

  test("lists its containers", async () => {
    await using tools = programs({ docker: `case $1 in ps) echo 0123456789ab;; *) echo '${inspected}';; esac` });
    const { containers, docker } = reportOf(await lookBy(shell, { path: tools.path }), nothing, Date.now());
    expect(docker).toEqual({ available: true, error: null });
    expect(containers).toEqual([
      {
        id: "0123456789ab",
        name: "db",
        image: "postgres",
        state: "exited",
        health: "unhealthy",
        restartCount: 2,
        startedAt: "2026-01-01T00:00:00.000Z",
        cpu: null,
        memory: { usage: null, limit: null },
        network: { rxBytes: null, txBytes: null },
        blockIo: { readBytes: null, writtenBytes: null },
        source: "shop/db",
      },
    ]);
  });

  const refusals: readonly (readonly [name: string, docker: string, why: string])[] = [
    [
      "that refuses its containers",
      "echo 'permission denied: docker.sock' >&2; exit 1",
      "permission denied: docker.sock",
    ],
    [
      "whose docker can't be asked that way",
      "case $1 in ps) echo 0123456789ab;; *) echo 'unknown flag: --format' >&2; exit 125;; esac",
      "unknown flag: --format",
    ],
    [
      "that prints something else",
      "case $1 in ps) echo 0123456789ab;; *) echo 'hello there you';; esac",
      "what docker inspect printed is of no container: JSON Parse error",
    ],
  ];
  for (const [name, docker, why] of refusals) {
    test(`${name} says so, and tells everything else`, async () => {
      await using tools = programs({ docker });
      const look = await lookBy(shell, { path: tools.path });
      expect(look.docker).toMatchObject({ kind: "refused", why: expect.stringContaining(why) });
      expect(look.missing).toEqual([]);
    });
  }

  test("whose engine never answers is not waited for", async () => {
    await using tools = programs({
      docker: "exec sleep 600",
      timeout: `shift; exec ${Bun.which("timeout") ?? "timeout"} 0.2 "$@"`,
    });
    const look = await lookBy(shell, { path: tools.path });
    expect(look.docker).toEqual({ kind: "refused", why: "the engine did not answer within 8 s" });
  });
});
