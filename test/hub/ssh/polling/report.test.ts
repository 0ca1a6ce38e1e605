import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { readLook } from "#src/hub/ssh/polling/look.ts";
import { type LastBeat, reportOf } from "#src/hub/ssh/polling/report.ts";
import { pollScript } from "#src/hub/ssh/polling/script.ts";
import { Fault } from "#src/protocol/fault.ts";
import { polledReport } from "#src/protocol/polled.ts";
import { type Says, healthy, netDev, outputOf } from "./rig.ts";

const word = "0123456789abcdef01234567";
const script = pollScript({ word, diskPath: "/", twice: false });
const look = (says: Says) => readLook(outputOf(script, says), word);
const at = Date.parse("2026-01-01T01:00:00.000Z");
const none = { look: undefined, beat: undefined };

/** A heartbeat of `seconds` ago, when the host had been up so long and had counted so much. */
const beat = (seconds: number, uptime: number, rxBytes: number, txBytes: number): LastBeat => ({
  at: new Date(at - seconds * 1000).toISOString(),
  system: { uptime, network: { rxBytes, txBytes, rxRate: null, txRate: null } },
});

describe("shares and rates of a poll", () => {
  test("are not known without anything to compare with, and not zero", () => {
    const { system } = reportOf(look(healthy(1000)), none, at);
    expect([system.cpu.usage, system.network.rxRate, system.network.txRate]).toEqual([null, null, null]);
    expect([system.network.rxBytes, system.network.txBytes]).toEqual([1_000_000, 100_000]);
  });

  test("are of the time since the poll before, by the host's own clock", () => {
    const before = look(healthy(1000));
    const { system } = reportOf(look(healthy(1061.5)), { look: before, beat: beat(10, 1051.5, 0, 0) }, at);
    expect([system.cpu.usage, system.network.rxRate, system.network.txRate]).toEqual([25, 1000, 100]);
  });

  test("begin anew when the host was booted in between", () => {
    const before = look(healthy(5000));
    const { system } = reportOf(look(healthy(30)), { look: before, beat: undefined }, at);
    expect([system.cpu.usage, system.network.rxRate]).toEqual([null, null]);
  });

  test("of the network go on from the agent's last heartbeat", () => {
    const { system } = reportOf(look(healthy(1000)), { look: undefined, beat: beat(120, 880, 400_000, 40_000) }, at);
    expect([system.network.rxRate, system.network.txRate]).toEqual([5000, 500]);
  });

  const others: readonly (readonly [name: string, beat: LastBeat])[] = [
    ["booted since", beat(120, 5000, 400_000, 40_000)],
    ["another one", beat(120, 100, 400_000, 40_000)],
  ];
  for (const [name, last] of others) {
    test(`do not go on from a heartbeat when the host is ${name}`, () => {
      expect(reportOf(look(healthy(1000)), { look: undefined, beat: last }, at).system.network.rxRate).toBeNull();
    });
  }

  test("are not known of an interface that was not there before", () => {
    const before = look({ ...healthy(1000), net: netDev(10, 10, "eth9"), facts: "lo 0 0\neth9 1 0\n" });
    expect(reportOf(look(healthy(1060)), { look: before, beat: undefined }, at).system.network.rxRate).toBeNull();
  });
});

describe("the interfaces that count", () => {
  test("are hardware and bonds, not what is on top or below, as sysfs of the host says", () => {
    const dev = (names: readonly string[]) =>
      netDev(0, 0, "lo0").split("\n").slice(0, 2).join("\n") +
      names.map((name) => `\n${name}: 1000 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0`).join("");
    const { counted } = look({
      ...healthy(1000),
      net: `${dev(["lo", "eth0", "eth1", "bond0", "br0", "veth1a", "bond0.5"])}\n`,
      facts: "lo 0 0\neth0 1 0\neth1 1 0\nbond0 0 1\nbr0 0 0\nveth1a 0 0\nbond0.5 0 0\n",
      masters: [
        "lrwxrwxrwx 1 root root 0 Jan  1 00:00 /sys/class/net/eth0/master -> ../bond0",
        "lrwxrwxrwx    1 root     root             0 Jan  1 00:00 /sys/class/net/eth1/master -> ../bond0",
        "lrwxrwxrwx 1 root root 0 Jan  1 00:00 /sys/class/net/veth1a/master -> ../br0\n",
      ].join("\n"),
    });
    expect(counted).toEqual(["bond0"]);
  });
});

describe("containers of a poll", () => {
  const head = (id: string, startedAt = "2026-01-01T00:00:00Z") =>
    JSON.stringify({
      Id: id.repeat(12),
      Name: `/${id}`,
      Config: { Image: "busybox", Labels: { "orion.name": "" } },
      State: { Status: "running", Running: true, StartedAt: startedAt },
    });
  const says = (uptime: number, cpuNs: number, startedAt?: string): Says => ({
    ...healthy(uptime),
    end: undefined,
    "docker 0": "",
    [`container ${head("a", startedAt)}`]: "",
    [`cgroup ${uptime}`]: `/c/cpuacct.usage:${cpuNs}\n/c/memory.usage_in_bytes:5000\n/c/memory.limit_in_bytes:9223372036854771712\n`,
    inner: netDev(70, 80),
    [`container ${head("b")}`]: "",
    "end ": "",
  });

  test("have the share of one core that they used since the poll before", () => {
    const before = look(says(1000, 1e9));
    const { containers } = reportOf(look(says(1060, 31e9)), { look: before, beat: undefined }, at);
    expect(containers).toMatchObject([
      {
        name: "a",
        cpu: 50,
        memory: { usage: 5000, limit: 1_024_000 },
        network: { rxBytes: 70, txBytes: 80 },
      },
      { name: "b", cpu: null, memory: { usage: null, limit: null }, network: { rxBytes: null, txBytes: null } },
    ]);
  });

  test("that were started anew begin anew", () => {
    const before = look(says(1000, 1e9));
    const now = look(says(1060, 31e9, "2026-01-01T00:30:00Z"));
    expect(reportOf(now, { look: before, beat: undefined }, at).containers[0]?.cpu).toBeNull();
  });
});

test("whatever a host prints is a report or a Fault", () => {
  const whole = outputOf(script, {
    ...healthy(1000),
    end: undefined,
    "docker 0": "",
    'container {"Id":"0123456789ab","Name":"/a","Config":{"Image":"i"},"State":{"Pid":1}}': "",
    "cgroup 5.0": "/c/cpu.stat:usage_usec 5\n",
    inner: netDev(1, 2),
    "end ": "",
  });
  const before = readLook(whole, word);
  const edit = fc.tuple(fc.nat(whole.length), fc.nat(60), fc.string({ maxLength: 20, unit: "binary" }));
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 8 }), (edits) => {
      let text = whole;
      for (const [from, length, put] of edits) text = text.slice(0, from) + put + text.slice(from + length);
      try {
        const report = reportOf(readLook(text, word), { look: before, beat: beat(60, 940, 1, 1) }, at);
        polledReport.parse(JSON.parse(JSON.stringify(report)));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
}, 30_000);
