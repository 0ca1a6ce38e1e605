import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { type LogOptions, openLog } from "#src/agent/daemon/log.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

function open(folder: Folder, options: Partial<LogOptions> = {}) {
  const printed: string[] = [];
  const clock = createTestClock();
  const path = folder.at("log", "agent.log");
  const log = openLog({ path, level: "debug", clock, fallback: (line) => printed.push(line), ...options });
  return { log, path, clock, printed, text: () => readFileSync(path, "utf8") };
}

describe("the agent's log", () => {
  test("holds time, level and text, one fact a line, readable for its group", async () => {
    await using folder = temporaryFolder();
    const { log, text, path, printed } = open(folder);
    log.info("started");
    log.error("failed:\nbecause\tof \u001b[31mred\u001b[0m");
    expect(text()).toBe(
      "2026-01-01T00:00:00.000Z info started\n" +
        "2026-01-01T00:00:00.000Z error failed:\\nbecause\\tof \\u001b[31mred\\u001b[0m\n",
    );
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(printed).toEqual([]);
    log.close();
  });

  test("leaves out what is below its level, which may change", async () => {
    await using folder = temporaryFolder();
    const { log, text } = open(folder, { level: "warn" });
    log.info("no");
    log.warn("yes");
    log.setLevel("debug");
    log.debug("now");
    expect(
      text()
        .split("\n")
        .map((line) => line.slice(25)),
    ).toEqual(["warn yes", "debug now", ""]);
    log.close();
  });

  test("is appended to by the next daemon", async () => {
    await using folder = temporaryFolder();
    const first = open(folder);
    first.log.info("one");
    first.log.close();
    const second = open(folder);
    second.log.info("two");
    second.log.close();
    expect(second.text().split("\n")).toHaveLength(3);
  });

  test("is rotated by size, and only so many are kept", async () => {
    await using folder = temporaryFolder();
    const { log, path } = open(folder, { maxBytes: 400, kept: 2 });
    for (let index = 0; index < 100; index++) log.info(`line ${String(index).padStart(3, "0")}`);
    log.close();
    expect(existsSync(`${path}.3`)).toBe(false);
    const all = [`${path}.2`, `${path}.1`, path].map((file) => readFileSync(file, "utf8")).join("");
    const numbers = [...all.matchAll(/line (\d+)/g)].map((match) => Number(match[1]));
    expect(numbers.at(-1)).toBe(99);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 100 - numbers.length + index));
    for (const file of [path, `${path}.1`, `${path}.2`]) expect(statSync(file).size).toBeLessThan(500);
  });

  test("goes to the terminal as well, once", async () => {
    await using folder = temporaryFolder();
    const shown: string[] = [];
    const { log, printed } = open(folder, { mirror: (line) => shown.push(line) });
    log.info("hello");
    log.close();
    expect(shown).toHaveLength(1);
    expect(printed).toEqual([]);
  });

  test("goes elsewhere while its folder can't be used, and says later how much is missing", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("log"), "a file in the folder's place");
    const { log, text, clock, printed } = open(folder);
    log.info("one");
    log.info("two");
    expect(printed).toHaveLength(3);
    expect(printed[0]).toMatch(/the log .* can't be opened/);
    rmSync(folder.at("log"));
    clock.advance(60_000);
    log.info("three");
    log.close();
    expect(text()).toMatch(/^\S+ warn 2 lines could not be written to this log\n\S+ info three\n$/);
  });

  test.skipIf(!existsSync("/dev/full"))("lives through a full disk", async () => {
    const printed: string[] = [];
    const log = openLog({
      path: "/dev/full",
      level: "info",
      clock: createTestClock(),
      fallback: (line) => printed.push(line),
    });
    for (let index = 0; index < 10; index++) log.info(`line ${index}`);
    log.close();
    expect(printed).toHaveLength(10);
  });

  test("is made anew after it was taken away and closed, as at a reload", async () => {
    await using folder = temporaryFolder();
    const { log, path } = open(folder);
    log.info("one");
    rmSync(path);
    log.info("lost with the file");
    log.close();
    log.info("three");
    expect(readFileSync(path, "utf8")).toMatch(/info three\n$/);
    log.close();
  });

  test("never breaks a line, whatever is logged", async () => {
    await using folder = temporaryFolder();
    const { log, text } = open(folder, { maxBytes: 1e9 });
    let lines = 0;
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (message) => {
        log.info(message);
        lines++;
      }),
    );
    log.close();
    expect(text().split("\n")).toHaveLength(lines + 1);
    expect(text()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});
