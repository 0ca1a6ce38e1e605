import { copyFileSync, renameSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { oldProcesses } from "#src/cli/upgrade/leftover.ts";
import { platformOf } from "#src/cli/upgrade/platform.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";

import { orion } from "./orion.ts";

const avx2 = "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2 bmi2\n";
const glibc = "7f00-7f01 r-xp 0 08:01 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n";
const musl = "7f00-7f01 r-xp 0 08:01 1 /lib/ld-musl-x86_64.so.1\n";

describe("the release for a machine", () => {
  const rows: readonly (readonly [name: string, machine: Parameters<typeof platformOf>[0], platform: string])[] = [
    ["x86_64 with AVX2", { arch: "x64", cpuinfo: avx2, maps: glibc }, "x64"],
    ["x86_64 without it", { arch: "x64", cpuinfo: "flags\t: fpu sse4_2 avx\n", maps: glibc }, "x64-baseline"],
    ["x86_64 that hides its features", { arch: "x64", cpuinfo: "", maps: glibc }, "x64-baseline"],
    ["x86_64 with musl", { arch: "x64", cpuinfo: avx2, maps: musl }, "x64-musl"],
    ["arm64", { arch: "arm64", cpuinfo: "Features\t: fp asimd\n", maps: glibc }, "arm64"],
    ["arm64 with musl", { arch: "arm64", cpuinfo: "", maps: "/lib/ld-musl-aarch64.so.1" }, "arm64-musl"],
  ];
  for (const [name, machine, platform] of rows) {
    test(`${name} is ${platform}`, () => expect(platformOf(machine)).toBe(platform));
  }
});

test("processes of a program that was replaced are named, others are not", async () => {
  await using folder = temporaryFolder();
  const program = folder.at("orion");
  copyFileSync("/bin/sleep", program);
  await using old = startProgram([program, "1000"]);
  expect(oldProcesses(program)).toEqual([]);
  copyFileSync("/bin/sleep", folder.at("new"));
  renameSync(folder.at("new"), program);
  await using fresh = startProgram([program, "1001"]);
  expect(fresh.pid).not.toBe(old.pid);
  expect(oldProcesses(program)).toEqual([`${old.pid}: orion 1000`]);
});

test("from its sources it says that there is nothing to upgrade", async () => {
  const { code, err } = await orion(["upgrade", "--url", "http://127.0.0.1:1"]);
  expect([code, err]).toEqual([1, expect.stringContaining("this is Orion's source, not an installed program")]);
});

test("--version is the release that is wanted, and alone it asks for ours", async () => {
  expect((await orion(["upgrade", "--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect((await orion(["upgrade", "--version", "1.2.3"])).err).toContain("this is Orion's source");
});
