import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";

// mounting needs root, a private mount namespace and the kernel's FUSE; containers often have none of them
const canMount =
  process.getuid?.() === 0 &&
  existsSync("/dev/fuse") &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "--mount", "sh", "-c", ": < /dev/fuse"], { stderr: "ignore" }).success;

test.skipIf(!canMount)("a file server that does not answer stops no reading, and its late answer is taken", () => {
  const folder = mkdtempSync(`${tmpdir()}/orion-silent-`);
  try {
    const program = `${import.meta.dir}/silent-file-server.ts`;
    const child = Bun.spawnSync(["unshare", "--mount", process.execPath, program, folder], { timeout: 10_000 });
    expect(child.stderr.toString()).toBe("");
    const nothing = { total: null, used: null, usage: null };
    expect(
      child.stdout
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { when: "asked", ...nothing, problems: [] },
      { when: "silent", ...nothing, problems: [`the file server behind ${folder} does not answer`] },
      { when: "answered", total: 512_000, used: 307_200, usage: 75, problems: [] },
    ]);
  } finally {
    rmdirSync(folder);
  }
});
