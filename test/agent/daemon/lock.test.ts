import { readFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { takeLock } from "#src/agent/daemon/lock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

const holder = `
  import { takeLock } from "${import.meta.resolve("#src/agent/daemon/lock.ts").replace("file://", "")}";
  takeLock(process.argv[1]);
  const child = Bun.spawn(["sleep", "600"], { detached: true, stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  console.log("ready " + child.pid);
  setInterval(() => {}, 1000);
`;

describe("the lock of a run folder", () => {
  test("holds the pid, and a second taker is told it", async () => {
    await using folder = temporaryFolder();
    const lock = takeLock(folder.path);
    expect(lock.previous).toBeUndefined();
    expect(readFileSync(folder.at("agent.lock"), "utf8")).toBe(`${process.pid}\n`);
    expect(() => takeLock(folder.path)).toThrow(Fault);
    expect(() => takeLock(folder.path)).toThrow(`an agent already runs in ${folder.path} (pid ${process.pid})`);
    lock.release();
    takeLock(folder.path).release();
  });

  test("is held on by a process that was replaced in place, through the descriptor that it had", async () => {
    await using folder = temporaryFolder();
    const fd = takeLock(folder.path).handOver();
    const successor = takeLock(folder.path, fd);
    expect(successor.previous).toBeUndefined();
    expect(() => takeLock(folder.path)).toThrow("an agent already runs");
    successor.release();
    takeLock(folder.path).release();
  });

  test("is taken anew when the descriptor is of something else by now", async () => {
    await using folder = temporaryFolder();
    takeLock(folder.path, 0).release();
    takeLock(folder.path, 9999).release();
  });

  test("is free after a kill -9, although a child lives on, and says who died", async () => {
    await using folder = temporaryFolder();
    await using program = startProgram([process.execPath, "-e", holder, folder.path]);
    const child = Number((await until(() => /ready (\d+)/.exec(program.output()), "the holder"))[1]);
    try {
      expect(() => takeLock(folder.path)).toThrow(`(pid ${program.pid})`);
      program.kill("SIGKILL");
      await program.exited;
      process.kill(child, 0);
      const lock = takeLock(folder.path);
      expect(lock.previous).toBe(program.pid);
      lock.release();
    } finally {
      process.kill(child, "SIGKILL");
    }
  });

  test("says so when its folder can't be used", () => {
    expect(() => takeLock("/proc/nowhere")).toThrow(/agent\.lock can't be opened/);
  });
});
