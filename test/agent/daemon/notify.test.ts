import { describe, expect, test } from "bun:test";

import { createNotifier } from "#src/agent/daemon/notify.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { listenAsSystemd } from "#test/kit/systemd.ts";
import { until } from "#test/kit/wait.ts";

describe.skipIf(Bun.which("python3") === null)("sd_notify (needs python3)", () => {
  for (const kind of ["a path", "an abstract name"] as const) {
    test(`reaches ${kind}`, async () => {
      await using folder = temporaryFolder();
      const address = kind === "a path" ? folder.at("notify") : `@orion-test-${process.pid}-${Date.now()}`;
      await using systemd = await listenAsSystemd(address);
      const clock = createTestClock();
      const notifier = createNotifier({ NOTIFY_SOCKET: address }, clock);
      notifier.ready("2 of 3 scripts\nrunning");
      notifier.status("busy");
      notifier.stopping();
      notifier.close();
      await until(() => systemd.received().length === 3, "three messages");
      expect(systemd.received()).toEqual([
        `READY=1\nSTATUS=2 of 3 scripts running\nMAINPID=${process.pid}`,
        "STATUS=busy",
        "STOPPING=1",
      ]);
      expect(clock.waiting()).toBe(0);
    });
  }

  test("has systemd keep a copy of a descriptor under its name, instead of the one before", async () => {
    await using folder = temporaryFolder();
    await using systemd = await listenAsSystemd(folder.at("notify"));
    const notifier = createNotifier({ NOTIFY_SOCKET: folder.at("notify") }, createTestClock());
    notifier.store("web.stdout", 1);
    notifier.discard("web.stdout");
    await until(() => systemd.received().length === 3, "three messages");
    expect(systemd.received()).toEqual([
      "FDSTOREREMOVE=1\nFDNAME=web.stdout",
      "FDSTORE=1\nFDNAME=web.stdout\nFDPOLL=0",
      "FDSTOREREMOVE=1\nFDNAME=web.stdout",
    ]);
  });

  test("reports to the watchdog twice in its time, until closed", async () => {
    await using folder = temporaryFolder();
    await using systemd = await listenAsSystemd(folder.at("notify"));
    const clock = createTestClock();
    const env = { NOTIFY_SOCKET: folder.at("notify"), WATCHDOG_USEC: "20000000", WATCHDOG_PID: String(process.pid) };
    const notifier = createNotifier(env, clock);
    notifier.ready("up");
    clock.advance(35_000);
    // a reload says READY again: that must not start a second timer
    notifier.ready("up");
    clock.advance(5_000);
    notifier.close();
    clock.advance(60_000);
    notifier.stopping();
    await until(() => systemd.received().includes("STOPPING=1"), "the last message");
    expect(systemd.received().filter((message) => message === "WATCHDOG=1")).toHaveLength(5);
    expect(clock.waiting()).toBe(0);
  });
});

describe("sd_notify", () => {
  test("sends nothing and sets no timer without systemd", () => {
    const clock = createTestClock();
    for (const env of [
      {},
      { NOTIFY_SOCKET: "" },
      { NOTIFY_SOCKET: "vsock:2:1" },
      { WATCHDOG_USEC: "1000" },
      { NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" },
      { NOTIFY_SOCKET: "/nowhere/notify", WATCHDOG_USEC: "soon" },
    ]) {
      const notifier = createNotifier(env, clock);
      notifier.ready("up");
      notifier.reloading();
      notifier.stopping();
      expect(clock.waiting()).toBe(0);
    }
  });

  test("does no harm when nobody listens or the name is too long", () => {
    for (const address of ["/nowhere/notify", "@nobody-listens-here", `/${"x".repeat(200)}`]) {
      createNotifier({ NOTIFY_SOCKET: address }, createTestClock()).ready("up");
    }
  });
});
