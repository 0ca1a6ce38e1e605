import { expect, test } from "bun:test";

import { openProcesses } from "#src/agent/supervisor/processes.ts";
import { type Ended, createWatcher, signalName, waitForChild } from "#src/agent/supervisor/wait.ts";
import { createTestClock } from "#test/kit/clock.ts";

import { gone } from "./rig.ts";

const processes = openProcesses("/proc");
const spawn = (command: string): Bun.Subprocess =>
  Bun.spawn(["/bin/sh", "-c", command], { stdin: "ignore", stdout: "ignore" });
const named = (pid: number): { pid: number; startTicks: number } => ({
  pid,
  startTicks: processes.read(pid)?.startTicks ?? 0,
});

test("a child's exit code and signal are told apart, also where the numbers are the same", async () => {
  expect(await waitForChild(spawn("exit 137"))).toEqual({ kind: "code", code: 137 });
  expect(await waitForChild(spawn("kill -9 $$"))).toEqual({ kind: "signal", signal: "SIGKILL" });
});

test("the end of a process that is nobody's child here is seen within a second, once", async () => {
  // its parent ends at once, so that it belongs to init
  const parent = Bun.spawn(["/bin/sh", "-c", "sleep 20 >/dev/null 2>&1 & echo $!"], { stdin: "ignore" });
  const pid = Number(await new Response(parent.stdout).text());
  const clock = createTestClock();
  const seen: Ended[] = [];
  createWatcher(processes, clock).watch(named(pid), (ended) => seen.push(ended));
  clock.advance(5_000);
  expect(seen).toEqual([]);
  process.kill(pid, "SIGKILL");
  await gone(pid);
  clock.advance(1_000);
  clock.advance(5_000);
  expect([seen, clock.waiting()]).toEqual([[{ kind: "unobserved" }], 0]);
});

test("a pid with another start time counts as ended", () => {
  const clock = createTestClock();
  const seen: Ended[] = [];
  const watch = createWatcher(processes, clock).watch({ pid: process.pid, startTicks: 1 }, (ended) => seen.push(ended));
  expect(seen).toEqual([]);
  watch.check();
  watch.check();
  expect(seen).toEqual([{ kind: "unobserved" }]);
});

test("a watch that was cancelled tells nothing and leaves no timer", () => {
  const clock = createTestClock();
  const seen: Ended[] = [];
  createWatcher(processes, clock)
    .watch({ pid: process.pid, startTicks: 1 }, (ended) => seen.push(ended))
    .cancel();
  clock.advance(5_000);
  expect([seen, clock.waiting()]).toEqual([[], 0]);
});

test("signals have their names", () => {
  expect([9, 15, 64].map(signalName)).toEqual(["SIGKILL", "SIGTERM", "SIG64"]);
});
