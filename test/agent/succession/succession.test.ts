import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { type Handover, startTicksOf, writeHandover } from "#src/agent/succession/handover.ts";
import { createSuccession } from "#src/agent/succession/succession.ts";
import { probationMs } from "#src/agent/succession/timing.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

const silent = { info() {}, warn() {} };

const successionIn = (folder: Folder) =>
  createSuccession({ runDir: folder.path, logFile: folder.at("log"), version: "2.0.0", env: {}, log: silent });

/** What this very process would have been left by the daemon that it was before. */
function leave(folder: Folder, change: Partial<Handover> = {}): void {
  writeHandover(folder.path, {
    format: 1,
    state: "under-way",
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? 0,
    from: "1.0.0",
    to: "2.0.0",
    lock: null,
    pipes: [],
    guard: null,
    stop: null,
    umask: null,
    why: null,
    ...change,
  });
}

const left = (folder: Folder): boolean => existsSync(folder.at("handover.json"));

describe("what a daemon makes of what the one before left", () => {
  test("nothing there is an ordinary start", async () => {
    await using folder = temporaryFolder();
    expect(successionIn(folder).takeUp()).toBeUndefined();
  });

  test("a file that can't be understood is an ordinary start", async () => {
    await using folder = temporaryFolder();
    for (const text of ["", "{", "[]", '{"format":2}']) {
      writeFileSync(folder.at("handover.json"), text);
      expect(successionIn(folder).takeUp()).toBeUndefined();
    }
  });

  test("the same program goes on, with the lock and the pipes that it had", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("pipe"), "");
    const pipe = openSync(folder.at("pipe"), "r");
    leave(folder, { lock: 77, pipes: [pipe] });
    const succession = successionIn(folder);
    expect(succession.takeUp()).toEqual({ began: "re-executed", lock: 77, rolledBack: false, problems: [] });
    expect(succession.onProbation()).toBe(false);
    succession.pipesAreOpen();
    expect(() => closeSync(pipe)).toThrow("EBADF");
    succession.serving(createTestClock());
    expect(left(folder)).toBe(false);
  });

  test("a new program is on probation for ten seconds after it serves", async () => {
    await using folder = temporaryFolder();
    leave(folder, { guard: 999_999_999 });
    const [succession, clock] = [successionIn(folder), createTestClock()];
    expect(succession.takeUp()?.began).toBe("upgraded from 1.0.0");
    succession.serving(clock);
    expect(JSON.parse(readFileSync(folder.at("handover.json"), "utf8"))).toMatchObject({ state: "probation" });
    clock.advance(probationMs - 1);
    expect([succession.onProbation(), left(folder)]).toEqual([true, true]);
    clock.advance(1);
    expect([succession.onProbation(), left(folder)]).toEqual([false, false]);
  });

  test("asked to stop on probation, it takes the note away first, so that its end is no failure", async () => {
    await using folder = temporaryFolder();
    leave(folder, { guard: 999_999_999 });
    const succession = successionIn(folder);
    succession.takeUp();
    succession.stopping("SIGTERM");
    expect(left(folder)).toBe(false);
  });

  test("a signal that came too late for any handler has left its number as the umask", async () => {
    const own = process.umask();
    try {
      for (const [mask, expected] of [
        [15, "SIGTERM"],
        [2, "SIGINT"],
        [0o77, undefined],
      ] as const) {
        await using folder = temporaryFolder();
        leave(folder, { umask: { own: 0o27, unmarked: 0o77 } });
        process.umask(mask);
        const succession = successionIn(folder);
        succession.takeUp();
        expect(succession.askedToStop()).toBe(expected);
        expect(process.umask()).toBe(0o27);
      }
    } finally {
      process.umask(own);
    }
  });

  test("a stop that came too late for the one before is obeyed", async () => {
    await using folder = temporaryFolder();
    leave(folder, { stop: "SIGTERM" });
    const succession = successionIn(folder);
    succession.takeUp();
    expect(succession.askedToStop()).toBe("SIGTERM");
  });

  test("the program of before says why the new one was rolled back, once", async () => {
    await using folder = temporaryFolder();
    leave(folder, { state: "rolled-back", pid: 1, why: "it ended before it served" });
    const beginning = successionIn(folder).takeUp();
    expect(beginning).toMatchObject({
      began: "rolled back from 2.0.0: it ended before it served",
      lock: undefined,
      rolledBack: true,
      problems: [{ what: "the upgrade to version 2.0.0 was rolled back", why: "it ended before it served" }],
    });
    expect(successionIn(folder).takeUp()).toBeUndefined();
  });

  const strangers: readonly (readonly [name: string, change: Partial<Handover>, stays: boolean])[] = [
    ["of a process that had this pid before", { startTicks: 1 }, false],
    ["of another process without a guard", { pid: 1 }, false],
    ["of another process that a guard watches", { pid: 1, guard: 2 }, true],
  ];
  for (const [name, change, stays] of strangers) {
    test(`a note ${name} is an ordinary start, and ${stays ? "left to the guard" : "taken away"}`, async () => {
      await using folder = temporaryFolder();
      leave(folder, change);
      expect(successionIn(folder).takeUp()).toBeUndefined();
      expect(left(folder)).toBe(stays);
    });
  }
});
