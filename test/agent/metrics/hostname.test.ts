import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { readHostname } from "#src/agent/metrics/hostname.ts";

const machines = `${import.meta.dir}/../../fixtures/proc`;

test("this machine's name is the kernel's", () => {
  expect(readHostname("/proc")).toBe(hostname());
});

test("a tree of files tells the name that it holds", () => {
  expect(readHostname(`${machines}/old-kernel/proc`)).toBe("centos6.example.com");
});

test("a container with the host's procfs and /etc/hostname tells the host's name", () => {
  expect(readHostname(`${machines}/in-container/proc`)).toBe("web-1");
});

test("a container without it tells its own name", () => {
  expect(readHostname(`${machines}/in-container-hidepid/proc`)).toBe("0123456789ab");
});

test("an empty, unset, cut or impossible name is never told", () => {
  const folder = mkdtempSync(`${tmpdir()}/orion-hostname-`);
  try {
    mkdirSync(`${folder}/sys/kernel`, { recursive: true });
    for (const text of ["", "\n\n", "(none)\n", "two words", "nul\0", "x".repeat(256), "# a comment only\n"]) {
      writeFileSync(`${folder}/sys/kernel/hostname`, text);
      expect(readHostname(folder)).toBe(hostname());
    }
    expect(readHostname(`${folder}/nowhere`)).toBe(hostname());
  } finally {
    rmSync(folder, { recursive: true });
  }
});
