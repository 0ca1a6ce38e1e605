import { mkdirSync, writeFileSync } from "node:fs";

import { expect, test } from "bun:test";

import { endsWithItsContainer } from "#src/lib/container.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

/** A /proc with process 1 called `init` and process 7 whose parent is `parent`. */
function pretend(folder: Folder, init: string, parent: number): void {
  mkdirSync(folder.at("proc/1"), { recursive: true });
  mkdirSync(folder.at("proc/7"));
  writeFileSync(folder.at("proc/1/comm"), `${init}\n`);
  writeFileSync(folder.at("proc/7/status"), `Name:\torion\nPPid:\t${parent}\n`);
}

const rows: readonly (readonly [name: string, init: string, parent: number, marked: boolean, ends: boolean])[] = [
  ["the child of tini in a container", "tini", 1, true, true],
  ["a service of systemd in a container", "systemd", 1, true, false],
  ["a grandchild of a shell in a container", "sh", 3, true, false],
  ["a service on a host", "systemd", 1, false, false],
  ["a child of an unknown init on a host", "sysvinit2", 1, false, false],
];
for (const [name, init, parent, marked, ends] of rows) {
  test(`${name} ${ends ? "takes everything along" : "ends alone"}`, async () => {
    await using folder = temporaryFolder();
    pretend(folder, init, parent);
    if (marked) writeFileSync(folder.at(".dockerenv"), "");
    expect(endsWithItsContainer(7, folder.at("proc"), folder.path)).toBe(ends);
  });
}

test("process 1 takes everything along", () => {
  expect(endsWithItsContainer(1, "/nowhere", "/nowhere")).toBe(true);
});
