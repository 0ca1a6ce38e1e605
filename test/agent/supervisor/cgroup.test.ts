import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

import { expect, test } from "bun:test";

import { findCgroupPlace } from "#src/agent/supervisor/cgroup-place.ts";
import { createCgroups } from "#src/agent/supervisor/cgroup.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const v1 =
  "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
const unified = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
const v2 = "30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

const places: readonly [name: string, mountinfo: string, own: string, place: ReturnType<typeof findCgroupPlace>][] = [
  ["v1: below our own group", v1, "4:memory:/job/1\n0::/", { version: 1, folder: "/sys/fs/cgroup/memory/job/1" }],
  ["v1 at the root", v1, "4:memory:/\n", { version: 1, folder: "/sys/fs/cgroup/memory" }],
  [
    "v1 as a unit of systemd: beside it",
    v1,
    "4:memory:/system.slice/orion-agent.service\n",
    { version: 1, folder: "/sys/fs/cgroup/memory/system.slice" },
  ],
  [
    "hybrid: the hierarchy that has memory",
    unified + v1,
    "4:memory:/\n0::/user.slice",
    { version: 1, folder: "/sys/fs/cgroup/memory" },
  ],
  [
    "v2 as a unit of systemd: beside it",
    v2,
    "0::/system.slice/orion-agent.service\n",
    { version: 2, folder: "/sys/fs/cgroup/system.slice" },
  ],
  ["v2 at the root of a cgroup namespace", v2, "0::/\n", { version: 2, folder: "/sys/fs/cgroup" }],
  [
    "v2 in a user's session: beside it",
    v2,
    "0::/user.slice/user-1000.slice/session-1.scope\n",
    { version: 2, folder: "/sys/fs/cgroup/user.slice/user-1000.slice" },
  ],
  [
    "a container that sees its own part of v1",
    "50 49 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
    "4:memory:/docker/abc/inner\n",
    { version: 1, folder: "/sys/fs/cgroup/memory/inner" },
  ],
  [
    "a group outside of what is mounted",
    "50 49 0:32 /docker/abc /m ro - cgroup cgroup rw,memory\n",
    "4:memory:/other\n",
    undefined,
  ],
  ["a group outside of the namespace", v2, "0::/../x\n", undefined],
  ["nothing mounted", "", "0::/\n", undefined],
  ["no text at all", "", "", undefined],
];
for (const [name, mountinfo, own, place] of places) {
  test(`the place of control groups, ${name}`, () => {
    expect(findCgroupPlace(mountinfo, own)).toEqual(place);
  });
}

test("in v2 memory is handed down at each level and limited without swap", async () => {
  await using folder = temporaryFolder();
  const group = folder.at("orion-1/web");
  mkdirSync(group, { recursive: true });
  writeFileSync(folder.at("cgroup.subtree_control"), "cpu memory\n");
  writeFileSync(folder.at("orion-1/cgroup.subtree_control"), "");
  writeFileSync(`${group}/memory.swap.max`, "max");
  writeFileSync(`${group}/memory.events`, "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
  writeFileSync(`${group}/cgroup.procs`, "12\n345\n");
  const made = createCgroups({ version: 2, folder: folder.path }, "1").make("web", 5_000_000);
  if (made.kind !== "made") throw new Error(made.why);
  const read = (path: string): string => readFileSync(folder.at(path), "utf8");
  expect(read("cgroup.subtree_control")).toBe("cpu memory\n");
  expect(read("orion-1/cgroup.subtree_control")).toBe("+memory");
  expect(read("orion-1/web/memory.max")).toBe("5000000");
  expect(read("orion-1/web/memory.swap.max")).toBe("0");
  expect([made.cgroup.memoryKills(), made.cgroup.processes()]).toEqual([2, [12, 345]]);
});

test("in v1 memory and memory with swap are limited alike, or not at all", async () => {
  await using folder = temporaryFolder();
  const group = folder.at("orion-1/web");
  mkdirSync(group, { recursive: true });
  writeFileSync(`${group}/memory.memsw.limit_in_bytes`, "1");
  writeFileSync(`${group}/memory.oom_control`, "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
  const cgroups = createCgroups({ version: 1, folder: folder.path }, "1");
  const limits = (): string[] =>
    ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"].map((file) => readFileSync(`${group}/${file}`, "utf8"));
  const made = cgroups.make("web", 5_000_000);
  expect(limits()).toEqual(["5000000", "5000000"]);
  expect(made.kind === "made" && made.cgroup.memoryKills()).toBe(7);
  cgroups.make("web", undefined);
  expect(limits()).toEqual(["-1", "-1"]);
});

test("where no group can be made, the reason is given", async () => {
  await using folder = temporaryFolder();
  writeFileSync(folder.at("orion-1"), "in the way");
  const refused = createCgroups({ version: 1, folder: folder.path }, "1").make("web", 1);
  expect(refused).toEqual({
    kind: "refused",
    why: expect.stringContaining(`${folder.at("orion-1/web")} can't be made: `),
  });
  expect(createCgroups(undefined, "1").make("web", 1)).toEqual({
    kind: "refused",
    why: "no cgroup hierarchy here controls memory",
  });
});
