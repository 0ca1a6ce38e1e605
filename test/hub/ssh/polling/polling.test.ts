import { describe, expect, test } from "bun:test";

import { phaseOf } from "#src/hub/ssh/polling/schedule.ts";
import { Fault } from "#src/protocol/fault.ts";
import { healthy, pollingOf } from "./rig.ts";

const a = "web-1";
const refused = () => new Fault("unavailable", "can't connect to web-1: refused", { hint: "Does sshd run?" });

describe("a server whose agent falls silent", () => {
  test("is polled at once, then at its own moment of each minute, over one session", async () => {
    const { clock, host, polling, turn, settle, pass, reports } = pollingOf([a]);
    polling.start();
    await pass(120_000);
    expect(host(a).opened).toBe(0);
    turn(a, false);
    await settle();
    expect(host(a).runs.map(({ atMs }) => atMs)).toEqual([clock.monotonic()]);
    await pass(600_000, 500);
    const times = host(a).runs.map(({ atMs }) => atMs);
    expect(times.slice(1).every((at) => (at - phaseOf(a)) % 60_000 < 500)).toBe(true);
    expect(times.length).toBeWithin(10, 13);
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(65_000);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5000);
    expect(host(a).opened).toBe(1);
    expect(reports).toHaveLength(times.length);
    polling.stop();
  });

  test("has figures from the first poll on, by two looks in a row", async () => {
    const { polling, turn, settle, reports, watches, host, pass } = pollingOf([a]);
    polling.start();
    turn(a, false);
    await settle();
    expect(reports[0]?.report).toMatchObject({
      hostname: "web-1",
      system: {
        cpu: { usage: 25, cores: 2 },
        memory: { total: 1_024_000, used: 409_600, usage: 40 },
        disk: { path: "/", total: 4_096_000, used: 1_638_400, usage: 44.44 },
        network: { rxBytes: 1_000_000, txBytes: 100_000, rxRate: 1000, txRate: 100 },
        load: [0.1, 0.2, 0.3],
        uptime: 1000,
      },
      docker: { available: false, error: null },
      containers: [],
    });
    expect(watches.get(a)?.state).toMatchObject({ problem: null, lastPolled: reports[0]?.report.at });
    // later ones compare with the poll before
    host(a).says = { ...healthy(1060), stat: "cpu  50000 0 0 162000 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n" };
    await pass(65_000);
    expect(host(a).runs.map(({ script }) => script.includes("sleep"))).toEqual([true, false]);
    expect(reports[1]?.report.system.cpu).toEqual({ usage: 0, cores: 1 });
    polling.stop();
  });

  test("is left alone the moment its agent reports: what is under way is dropped", async () => {
    const { polling, turn, settle, pass, reports, watches, host } = pollingOf([a]);
    polling.start();
    turn(a, false);
    await settle();
    const { promise, resolve } = Promise.withResolvers<ReturnType<typeof healthy>>();
    host(a).says = promise;
    await pass(65_000);
    expect(host(a).runs).toHaveLength(2);
    turn(a, true);
    expect(watches.get(a)).toBeNull();
    expect(host(a).sessions.map(({ closed }) => closed)).toEqual([true]);
    resolve(healthy(1060));
    await pass(600_000, 10_000);
    expect(reports).toHaveLength(1);
    expect(host(a).runs).toHaveLength(2);
    polling.stop();
  });

  test("is polled when the hub is started and it has been silent before", async () => {
    const { polling, present, settle, host } = pollingOf([a, "web-2"]);
    present.delete(a);
    polling.start();
    await settle();
    expect([host(a).runs.length, host("web-2").runs.length]).toEqual([1, 0]);
    polling.stop();
  });

  test("is polled when it gets SSH details, anew when they change, and no more without them", async () => {
    const { polling, turn, changeDetails, settle, pass, host, watches } = pollingOf([a]);
    changeDetails(a, false);
    polling.start();
    turn(a, false);
    await pass(120_000, 10_000);
    expect(host(a).opened).toBe(0);
    changeDetails(a, true);
    await settle();
    expect([host(a).opened, host(a).runs.length]).toEqual([1, 1]);
    changeDetails(a, true);
    await pass(1000);
    expect([host(a).opened, host(a).runs.length]).toEqual([2, 2]);
    changeDetails(a, false);
    await pass(120_000, 10_000);
    expect([host(a).opened, watches.get(a)]).toEqual([2, null]);
    polling.stop();
  });

  test("is forgotten when it is removed", async () => {
    const { polling, turn, remove, settle, pass, host } = pollingOf([a]);
    polling.start();
    turn(a, false);
    await settle();
    remove(a);
    await pass(120_000, 10_000);
    expect([host(a).runs.length, host(a).sessions[0]?.closed]).toEqual([1, true]);
    polling.stop();
  });
});

describe("a host that can't be reached", () => {
  test("is asked less and less often, and its problem says when again", async () => {
    const { polling, turn, settle, pass, host, watches, reports, told, said } = pollingOf([a]);
    host(a).refuses = refused();
    polling.start();
    turn(a, false);
    await settle();
    const first = watches.get(a);
    expect(first?.report).toBeNull();
    expect(first?.state).toMatchObject({
      lastPolled: null,
      problem: "can't connect to web-1: refused. Does sshd run? It is tried again in 1 min",
    });
    await pass(7_200_000, 5000);
    // 1, 2, 4, 8, then every 15 minutes, each up to a tenth later
    expect(host(a).opened).toBeWithin(10, 13);
    expect(watches.get(a)?.state.problem).toContain("times in a row; it is tried again in 1");
    // said once
    expect(told.map(({ event }) => event.type)).toEqual(["watch.failed"]);
    expect(said.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    expect(reports).toEqual([]);

    host(a).refuses = undefined;
    await pass(1_200_000, 5000);
    expect(reports.length).toBeGreaterThan(1);
    expect(watches.get(a)?.state.problem).toBeNull();
    expect(told.map(({ event }) => event.type)).toEqual(["watch.failed", "watch.restored"]);
    polling.stop();
  });

  test("delays nobody else, however many there are", async () => {
    const ids = Array.from({ length: 120 }, (_, i) => `web-${i}`);
    const { polling, turn, pass, host, reports } = pollingOf(ids);
    for (const id of ids.slice(0, 100)) host(id).dead = true;
    polling.start();
    for (const id of ids) turn(id, false);
    await pass(3000, 10);
    expect(reports.map(({ id }) => id).sort()).toEqual(ids.slice(100).sort());
    await pass(300_000, 500);
    for (const id of ids.slice(100)) {
      const late = host(id)
        .runs.slice(1)
        .map(({ atMs }) => (atMs - phaseOf(id)) % 60_000);
      expect(Math.max(...late)).toBeLessThan(1000);
    }
    polling.stop();
  });

  test("whose key has changed is not asked again before somebody changes its details", async () => {
    const { polling, turn, changeDetails, settle, pass, host, watches } = pollingOf([a]);
    host(a).refuses = new Fault("conflict", "the host key of web-1 has changed");
    polling.start();
    turn(a, false);
    await pass(7_200_000, 60_000);
    expect(host(a).opened).toBe(1);
    expect(watches.get(a)?.state).toMatchObject({
      nextPoll: null,
      problem: "the host key of web-1 has changed. It is not tried again until its SSH details are changed",
    });
    host(a).refuses = undefined;
    changeDetails(a, true);
    await settle();
    expect(host(a).runs).toHaveLength(1);
    polling.stop();
  });

  test("that refuses the credentials is not bothered with them every minute", async () => {
    const { polling, turn, pass, host } = pollingOf([a]);
    host(a).refuses = new Fault("denied", "web-1 refused the password of orion");
    polling.start();
    turn(a, false);
    await pass(3_600_000, 5000);
    expect(host(a).opened).toBeWithin(3, 6);
    polling.stop();
  });

  test("does not tell again after a restart of the hub what was told before", async () => {
    const { polling, turn, settle, pass, host, told } = pollingOf([a], { wasFailing: true });
    host(a).refuses = refused();
    polling.start();
    turn(a, false);
    await settle();
    expect(told).toEqual([]);
    host(a).refuses = undefined;
    await pass(70_000);
    expect(told.map(({ event }) => event.type)).toEqual(["watch.restored"]);
    polling.stop();
  });
});

describe("a session", () => {
  test("that was lost between two polls is opened anew, and that is no failure", async () => {
    const { polling, turn, settle, pass, host, told, reports } = pollingOf([a]);
    polling.start();
    turn(a, false);
    await settle();
    host(a).sessions[0]?.close();
    await pass(65_000);
    expect([host(a).opened, reports.length, told]).toEqual([2, 2, []]);
    polling.stop();
  });

  test("that breaks under a command is opened anew once", async () => {
    const { polling, turn, settle, pass, host, told, reports } = pollingOf([a]);
    polling.start();
    turn(a, false);
    await settle();
    const { promise, reject } = Promise.withResolvers<ReturnType<typeof healthy>>();
    host(a).says = promise;
    await pass(65_000);
    host(a).says = healthy(1060);
    host(a).sessions[0]?.close();
    reject(new Fault("unavailable", "the connection to web-1 was lost"));
    await settle();
    expect([host(a).opened, reports.length, told]).toEqual([2, 2, []]);
    polling.stop();
  });

  test("over which a command does not end in time is closed, and the host counts as failed", async () => {
    const { polling, turn, settle, host, told, watches } = pollingOf([a]);
    host(a).says = new Fault("unavailable", "web-1 did not finish within 30 s");
    polling.start();
    turn(a, false);
    await settle();
    expect([host(a).opened, host(a).sessions[0]?.closed, told.length]).toEqual([1, true, 1]);
    expect(watches.get(a)?.state.problem).toStartWith("web-1 did not finish within 30 s");
    polling.stop();
  });

  test("is kept for so many hosts and no more; the others open one for each poll", async () => {
    const ids = Array.from({ length: 260 }, (_, i) => `web-${i}`);
    const { polling, turn, pass, host } = pollingOf(ids);
    polling.start();
    for (const id of ids) turn(id, false);
    await pass(4000, 20);
    const open = ids.filter((id) => host(id).sessions.at(-1)?.closed === false);
    expect(open).toHaveLength(256);
    expect(ids.every((id) => host(id).runs.length > 0)).toBe(true);
    polling.stop();
    expect(ids.filter((id) => host(id).sessions.at(-1)?.closed === false)).toEqual([]);
  });
});

describe("what a host does not tell", () => {
  const row = (name: string, change: Record<string, string | undefined>, problem: string) =>
    test(`${name} is said`, async () => {
      const { polling, turn, settle, host, watches, reports } = pollingOf([a]);
      host(a).says = { ...healthy(1000), ...change };
      polling.start();
      turn(a, false);
      await settle();
      expect(watches.get(a)?.state.problem).toBe(problem);
      expect(reports).toHaveLength(1);
      polling.stop();
    });
  row("of its memory", { meminfo: "" }, "the host does not tell /proc/meminfo");
  row("of its filesystem", { "disk /": "" }, "the host does not tell the filesystem (neither stat -f nor df tells it)");
  row(
    "of its containers",
    { end: undefined, "docker 1": "permission denied while trying to connect\n", "end ": "" },
    "Docker: permission denied while trying to connect",
  );

  const docker = (code: number, text: string) => ({
    ...healthy(1000),
    end: undefined,
    [`docker ${code}`]: text,
    "end ": "",
  });
  const forbidden = docker(1, "permission denied\n");

  test("to a plain user is asked for as root, if the details allow it, and from then on", async () => {
    const { polling, turn, settle, pass, host, watches, reports } = pollingOf([a], { sudo: "without-password" });
    host(a).says = (asRoot) => (asRoot ? docker(0, "") : forbidden);
    polling.start();
    turn(a, false);
    await settle();
    await pass(130_000);
    expect(host(a).runs.map(({ asRoot }) => asRoot)).toEqual([false, true, true, true]);
    expect([watches.get(a)?.state.problem, reports[0]?.report.docker.available]).toEqual([null, true]);
    // the engine is away for a while: root goes on looking
    host(a).says = forbidden;
    await pass(60_000);
    expect(host(a).runs.at(-1)?.asRoot).toBe(true);
    expect(watches.get(a)?.state.problem).toBe("Docker: permission denied");
    polling.stop();
  });

  test("to root either is asked for seldom", async () => {
    const { polling, turn, pass, host, watches, reports } = pollingOf([a], { sudo: "without-password" });
    host(a).says = forbidden;
    polling.start();
    turn(a, false);
    await pass(1_200_000, 5000);
    expect(host(a).runs.filter(({ asRoot }) => asRoot)).toHaveLength(2);
    expect(watches.get(a)?.state.problem).toBe("Docker: permission denied");
    expect(reports.length).toBeWithin(20, 23);
    polling.stop();
  });

  test("because sudo is refused is told with what sudo said", async () => {
    const { polling, turn, settle, host, watches, reports } = pollingOf([a], { sudo: "with-password" });
    host(a).says = (asRoot) =>
      asRoot ? new Fault("denied", "sudo on web-1 refused the password of orion") : forbidden;
    polling.start();
    turn(a, false);
    await settle();
    expect(watches.get(a)?.state.problem).toBe(
      "Docker: permission denied; sudo on web-1 refused the password of orion",
    );
    expect(reports).toHaveLength(1);
    polling.stop();
  });

  test("another system than Linux has nothing to tell", async () => {
    const { polling, turn, settle, host, watches } = pollingOf([a]);
    host(a).says = { os: "FreeBSD\n", end: "" };
    polling.start();
    turn(a, false);
    await settle();
    expect(watches.get(a)?.state.problem).toStartWith("the host runs FreeBSD: only Linux has the figures");
    polling.stop();
  });

  test("an answer that breaks off is a failure that says where", async () => {
    const { polling, turn, settle, host, watches } = pollingOf([a]);
    host(a).says = { ...healthy(1000), end: undefined };
    polling.start();
    turn(a, false);
    await settle();
    expect(watches.get(a)?.state.problem).toStartWith(`the host's answer ends within "disk"`);
    polling.stop();
  });
});
