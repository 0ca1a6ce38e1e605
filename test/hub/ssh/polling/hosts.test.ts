/** Polling over a real sshd, of hosts that make it hard. */
import { writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { openSession } from "#src/hub/ssh/connection.ts";
import { createPolling } from "#src/hub/ssh/polling/polling.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { startProxy } from "#test/e2e/kit/proxy.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { createSkippingClock } from "#test/kit/skipping-clock.ts";
import { until } from "#test/kit/wait.ts";
import { type Sshd, sshdMissing, startSshd } from "../sshd.ts";
import type { Watch } from "./rig.ts";

/** One silent server behind that sshd, polled from now on. */
function poll(sshd: Sshd, port = sshd.port) {
  const clock = createSkippingClock();
  const reports: PolledReport[] = [];
  const watches: Watch[] = [];
  const ignore = () => () => undefined;
  const polling = createPolling(
    {
      clock,
      openSession,
      servers: {
        get: (id) => ({ id, hostname: id, lastSeenMs: null, heartbeat: null }),
        isPresent: () => false,
        onPresence: ignore,
        onChange: ignore,
        setWatch: (_, watch) => void watches.push(watch),
      },
      targets: {
        ids: () => ["web-1"],
        has: () => true,
        targetOf: async () => sshd.target({ port }),
        onChange: ignore,
      },
      record: (_, report) => void reports.push(report),
      tell: () => undefined,
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    },
    () => false,
  );
  polling.start();
  const next = async (): Promise<PolledReport> => {
    const count = reports.length;
    await until(
      () => reports.length > count || watches.some((watch) => watch?.report === null),
      "the next poll",
      30_000,
    );
    const report = reports[count];
    if (report === undefined) throw new Error(watches.at(-1)?.state.problem ?? "no report");
    return report;
  };
  return { clock, next, watches, [Symbol.dispose]: polling.stop };
}

describe.skipIf(sshdMissing() !== undefined)("a host", () => {
  test("that allows one session at a time, with a banner, is polled over one connection", async () => {
    await using sshd = await startSshd(["MaxSessions 1", "Banner /etc/passwd"]);
    using polled = poll(sshd);
    const first = await polled.next();
    polled.clock.skip(65_000);
    const second = await polled.next();
    polled.clock.skip(65_000);
    const third = await polled.next();
    for (const { system } of [first, second, third]) {
      expect([system.cpu.usage, system.memory.total, system.disk.total]).toEqual(Array(3).fill(expect.any(Number)));
    }
    expect(sshd.output().split("Accepted publickey").length - 1).toBe(1);
  }, 30_000);

  test("whose profile is slow and prints what it likes tells its figures all the same", async () => {
    await using home = slowHome();
    await using sshd = await startSshd([`SetEnv HOME=${home.path}`]);
    using polled = poll(sshd);
    const { system } = await polled.next();
    expect([system.cpu.usage, system.memory.total]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(polled.watches.at(-1)?.state.problem ?? "").not.toContain("does not tell");
  }, 30_000);

  test("behind a network that cuts idle connections is signed in to anew, and that is no failure", async () => {
    await using sshd = await startSshd();
    await using proxy = await startProxy();
    proxy.lead(sshd.port);
    using polled = poll(sshd, proxy.port);
    await polled.next();
    proxy.cut("reset");
    proxy.heal();
    polled.clock.skip(65_000);
    await polled.next();
    expect(polled.watches.map((watch) => watch?.state.problem?.includes("lost") === true)).toEqual([false, false]);
    expect(sshd.output().split("Accepted publickey").length - 1).toBe(2);
  }, 30_000);
});

/** A home whose shell says a lot before it does anything. */
function slowHome() {
  const folder = temporaryFolder("orion-home-");
  const slow = "sleep 1; echo 'Welcome! @@ You have mail'; echo 'warning: x' >&2\n";
  for (const name of [".bashrc", ".profile", ".zshenv", ".kshrc"]) writeFileSync(folder.at(name), slow);
  return folder;
}
