import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { parseProcessStat } from "#src/procfs/process.ts";

/** A stat line as Linux 6.x prints it, 52 fields. */
const line = (comm: string) =>
  `4321 (${comm}) S 1 4320 4319 34816 4321 4194304 105 0 0 0 150 25 7 8 20 0 1 0 998877 ` +
  "4321280 512 18446744073709551615 1 1 0 0 0 0 0 0 65538 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

const stat = (comm: string) => ({
  pid: 4321,
  comm,
  state: "S",
  parent: 1,
  group: 4320,
  session: 4319,
  cpuTicks: 175,
  startTicks: 998877,
  rssPages: 512,
});

describe("/proc/PID/stat", () => {
  test("gives identity, time and memory of a process", () => {
    expect(parseProcessStat(line("nginx"))).toEqual(stat("nginx"));
  });

  for (const comm of ["tmux: server", "(sd-pam)", "a) S 1 (b", ") R 7 7 7", "", "x\ny", " ", "kworker/0:1-events"]) {
    test(`reads a name like ${JSON.stringify(comm)}`, () => {
      expect(parseProcessStat(line(comm))).toEqual(stat(comm));
    });
  }

  test("reads the shorter line of an old kernel", () => {
    const short = line("nginx").split(" ").slice(0, 24).join(" ");
    expect(parseProcessStat(short)).toEqual(stat("nginx"));
  });

  test("reads this process's own file", () => {
    const mine = parseProcessStat(readFileSync("/proc/self/stat", "latin1"));
    expect(mine).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(mine?.rssPages).toBeGreaterThan(100);
  });

  test("is undefined for every text that ends before the resident pages", () => {
    const whole = line("nginx").split(" ");
    for (let fields = 0; fields < 24; fields++) {
      expect(parseProcessStat(whole.slice(0, fields).join(" "))).toBeUndefined();
    }
  });

  test("never throws and never gives anything but whole numbers, whatever the text", () => {
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map(line),
      fc.string().map((s) => line("x").replace("150", s)),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const parsed = parseProcessStat(text);
        if (parsed === undefined) return;
        const { comm: _comm, state: _state, ...numbers } = parsed;
        for (const number of Object.values(numbers)) expect(Number.isInteger(number) && number >= 0).toBe(true);
      }),
    );
  });
});
