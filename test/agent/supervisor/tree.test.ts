// Whole process trees, with real processes that do what they can to survive.
import { expect, test } from "bun:test";

import { runMark } from "#src/agent/supervisor/environment.ts";
import { openProcesses } from "#src/agent/supervisor/processes.ts";
import { type Tree, createTree } from "#src/agent/supervisor/tree.ts";
import { systemClock } from "#src/lib/clock.ts";
import { until } from "#test/kit/wait.ts";

import { gone, program } from "./rig.ts";

const processes = openProcesses("/proc");

type Started = AsyncDisposable & { readonly tree: Tree; readonly pid: number };

/** A fixture program as the supervisor would start it, known only by mark, session and descent. */
async function start(name: string, env: Record<string, string> = {}): Promise<Started> {
  const runId = crypto.randomUUID();
  const child = Bun.spawn(["/bin/sh", "-c", `exec ${program(name)}`], {
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    env: { PATH: "/usr/bin:/bin", ORION_RUN: runId, ...env },
  });
  const startTicks = processes.read(child.pid)?.startTicks ?? 0;
  const tree = createTree({ runId, leader: { pid: child.pid, startTicks }, cgroup: undefined }, processes, systemClock);
  let text = "";
  if (name !== "forks-while-killed.sh" && name !== "hides.sh") {
    // the pipe stays open: who prints later must not die of it
    const reader = child.stdout.getReader();
    while (!/ready|left/.test(text)) text += new TextDecoder().decode((await reader.read()).value);
  }
  const done = async (): Promise<void> => {
    await tree.end({ signal: "SIGKILL", timeoutMs: 0 });
    await child.exited;
  };
  return { tree, pid: child.pid, [Symbol.asyncDispose]: done };
}

test("a program that ends when asked is not killed", async () => {
  await using started = await start("ends-on-term.sh");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 10_000 })).toEqual([]);
  expect(processes.read(started.pid)?.state ?? "gone").toBeOneOf(["Z", "gone"]);
});

test("a program that ignores the signal is killed once its time is over", async () => {
  await using started = await start("ignores-term.sh");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 100 })).toEqual([]);
  await gone(started.pid);
});

test("hurry cuts the time that a stop under way would take", async () => {
  await using started = await start("ignores-term.sh");
  const ending = started.tree.end({ signal: "SIGTERM", timeoutMs: 3_600_000 });
  started.tree.hurry(0);
  expect(await ending).toEqual([]);
});

test("grandchildren in other sessions are found and ended, the deaf one as well", async () => {
  await using started = await start("forks-grandchildren.sh");
  // the shell, its child shell and sleep, the setsid sleep, and the deaf one with its sleep
  const members = await until(() => {
    const found = started.tree.members();
    return found.filter((p) => p.comm === "sleep").length >= 3 && found;
  }, "all grandchildren");
  expect(new Set(members.map((p) => p.session)).size).toBe(3);
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 200 })).toEqual([]);
  for (const member of members) await gone(member.pid);
});

test("a daemon that forked itself away from its parent is found by its mark", async () => {
  await using started = await start("daemonises.sh");
  const [daemon] = await until(() => {
    const found = started.tree.members().filter((p) => p.comm === "sleep");
    return found.length === 1 && found;
  }, "the daemon alone");
  expect(daemon?.session).not.toBe(started.pid);
  await until(() => started.tree.members().length === 1, "the end of its parent");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 10_000 })).toEqual([]);
});

test("a process that was seen to belong belongs for ever, though nothing marks it", async () => {
  const runId = crypto.randomUUID();
  // the parent waits, so that the look below sees the child by descent; then it ends
  const command = "(trap '' TERM; exec setsid env -i /bin/sleep 65) & read line";
  const child = Bun.spawn(["/bin/sh", "-c", command], {
    detached: true,
    stdin: "pipe",
    env: { PATH: "/usr/bin:/bin", ORION_RUN: runId },
  });
  const startTicks = processes.read(child.pid)?.startTicks ?? 0;
  const tree = createTree({ runId, leader: { pid: child.pid, startTicks }, cgroup: undefined }, processes, systemClock);
  await until(() => tree.members().some((p) => p.comm === "sleep" && p.session === p.pid), "the hidden process");
  await child.stdin.end();
  await child.exited;
  const [hidden] = tree.members();
  expect([hidden?.comm, hidden === undefined || processes.carries(hidden.pid, runMark(runId))]).toEqual([
    "sleep",
    false,
  ]);
  expect(await tree.end({ signal: "SIGTERM", timeoutMs: 50 })).toEqual([]);
});

test("who forks away while being killed is caught all the same", async () => {
  await using started = await start("forks-while-killed.sh");
  await until(() => started.tree.members().some((p) => p.pid !== started.pid), "the second link");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 150 })).toEqual([]);
  expect(started.tree.members()).toEqual([]);
});

test("a stopped process is woken to hear the signal", async () => {
  await using started = await start("ends-on-term.sh");
  process.kill(started.pid, "SIGSTOP");
  await until(() => processes.read(started.pid)?.state === "T", "SIGSTOP");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 60_000 })).toEqual([]);
});

test("a process that is stopped just before it hears the signal is woken as well", async () => {
  // Before, one that was not yet seen as stopped when the signal was sent slept until its time was over.
  await using started = await start("ends-on-term.sh");
  process.kill(started.pid, "SIGSTOP");
  expect(await started.tree.end({ signal: "SIGTERM", timeoutMs: 60_000 })).toEqual([]);
});

test("a stranger that has the pid by now is no member", async () => {
  const stranger = Bun.spawn(["/bin/sleep", "66"], { detached: true });
  const startTicks = (processes.read(stranger.pid)?.startTicks ?? 0) - 1;
  const leader = { pid: stranger.pid, startTicks };
  const tree = createTree({ runId: crypto.randomUUID(), leader, cgroup: undefined }, processes, systemClock);
  expect(tree.members()).toEqual([]);
  expect(await tree.end({ signal: "SIGKILL", timeoutMs: 0 })).toEqual([]);
  expect(stranger.exitCode).toBeNull();
  stranger.kill("SIGKILL");
  await stranger.exited;
});
