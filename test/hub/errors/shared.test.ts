import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { failureOf } from "#test/kit/failure.ts";
import { havePostgres, sharedPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { type Line, projects } from "./rig.ts";
import { openSharedRig } from "./shared-rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const times = (count: number, text: string, rest: Partial<Line> = {}): Line[] =>
  Array.from({ length: count }, () => ({ text, ...rest }));

describe.skipIf(!havePostgres)("error groups with several hubs (needs PostgreSQL)", () => {
  test("are the same on each, and each tells what has changed", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"), ...times(2, "ship"));
    rig.log.append({ text: "ship", server: "s9x" });
    await until(() => b.told.length >= 3);
    expect(b.counts()).toEqual(a.counts());
    expect(b.errors.detail(projects, b.fingerprint("pay"))).toEqual(a.errors.detail(projects, a.fingerprint("pay")));
    expect(b.told).toEqual(a.told);
    await rig.same(a, b);
    expect([...a.said, ...b.said]).toEqual([]);
  });

  test("a hub takes over where the other one was, with what was still open", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"), { text: "mail(", source: "cron" }, ...times(2, "ship"));
    await rig.counted({ pay: 3, ship: 2 }, a);
    await a.errors.duty.end();
    rig.log.append(...times(4, "pay"));
    await b.errors.duty.begin();
    rig.log.append({ text: "mail)", source: "cron" }, { text: "pay" });
    await rig.counted({ pay: 8, ship: 2, mail: 1 }, a, b);
    await b.errors.duty.end();
    await a.errors.duty.begin();
    rig.log.append({ text: "ship" });
    await rig.counted({ pay: 8, ship: 3, mail: 1 }, a, b);
    await rig.same(a, b);
  });

  test("a hub that is killed at any moment, and one that takes over, count each event once", async () => {
    await using rig = await openSharedRig();
    let [a, b] = [await rig.hub(), await rig.hub()];
    const sent: Record<string, number> = {};
    await a.errors.duty.begin();
    for (let round = 0; round < 6; round++) {
      for (let n = 0; n < 10; n++) {
        const name = ["pay", "ship", "mail"][n % 3] ?? "";
        const open = n % 4 === 0 ? [{ text: `${name}(`, source: `s${n}` }] : times(n, name);
        rig.log.append(...open);
        sent[name] = (sent[name] ?? 0) + open.length;
        // so that writes and their way to the others are cut anywhere
        await Bun.sleep((round * 7 + n * 3) % 30);
        if (n % 3 === 0) rig.clock.skip(100);
      }
      const killed = await rig.kill(a);
      [a, b] = [b, killed];
      await a.errors.duty.begin();
    }
    await until(() => {
      rig.clock.skip(100);
      return JSON.stringify(a.counts(), Object.keys(sent).sort()) === JSON.stringify(sent, Object.keys(sent).sort());
    }, JSON.stringify(sent));
    await rig.counted(sent, a, b);
    await rig.same(a, b);
  });

  test("a hub that hangs while another one takes over has nothing to say when it is back", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"));
    await rig.counted({ pay: 3 }, a, b);
    // it does not hear that its duty has ended, and goes on counting
    rig.signals.silence(true);
    await b.errors.duty.begin();
    rig.log.append(...times(2, "pay"));
    await until(() => a.counts()["pay"] === 5 && b.counts()["pay"] === 5);
    rig.signals.silence(false);
    await until(() => a.told.some(({ kind }) => kind === "all"), "the old one reading anew");
    await rig.counted({ pay: 5 }, a, b);
    await a.errors.duty.end();
    rig.log.append({ text: "ship" });
    await rig.counted({ pay: 5, ship: 1 }, a, b);
    await rig.same(a, b);
  });

  test("what is decided on a hub without the duty is done by the one with it, and seen at once", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"), ...times(2, "ship"));
    await rig.counted({ pay: 3, ship: 2 }, a, b);
    const [pay, ship] = [b.fingerprint("pay"), b.fingerprint("ship")];
    const resolved = await b.errors.decide(projects, pay, { action: "resolve" }, "ann");
    expect(resolved).toMatchObject({ state: "resolved", decidedBy: "ann" });
    expect(b.errors.get(projects, pay)).toEqual(resolved);
    expect(a.errors.get(projects, pay)).toEqual(resolved);
    expect(await b.errors.decide(projects, ship, { action: "merge", into: pay }, "bob")).toMatchObject({ count: 5 });
    expect(b.told).toContainEqual({ kind: "gone", project: "p1", fingerprint: ship, mergedInto: pay });
    const { events = [] } = b.errors.samples(projects, pay, null, 50) ?? {};
    const sample = events.find(({ lines }) => lines[0] === "in ship")?.id ?? "";
    const made = await b.errors.decide(projects, pay, { action: "split", sample }, "ann");
    expect(made).toMatchObject({ count: 2 });
    expect(b.errors.get(projects, made?.fingerprint ?? "")).toEqual(made);
    // refusals too
    expect(await failureOf(b.errors.decide(projects, pay, { action: "split", sample }, "ann"))).toMatchObject({
      code: "not-found",
      message: expect.stringContaining("no such sample"),
    });
    expect(await b.errors.decide(["p2"], pay, { action: "reopen" }, "ann")).toBeUndefined();
    await rig.same(a, b);
  });

  test("a decision that nobody takes up in time has not been made", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"));
    await rig.counted({ pay: 3 }, a, b);
    await a.errors.duty.end();
    const deciding = failureOf(b.errors.decide(projects, b.fingerprint("pay"), { action: "resolve" }, "ann"));
    await until(async () => (await rig.database.query("SELECT 1 FROM error_requests")).length === 1);
    rig.clock.skip(11_000);
    expect(await deciding).toMatchObject({ code: "unavailable", hint: expect.stringContaining("nothing was changed") });
    expect(await rig.database.query("SELECT 1 FROM error_requests")).toEqual([]);
    await a.errors.duty.begin();
    expect(a.errors.get(projects, a.fingerprint("pay"))?.state).toBe("unresolved");
  });

  test("a decision waits for the hub that takes over", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"));
    await rig.counted({ pay: 3 }, a, b);
    await rig.kill(a);
    const name = b.fingerprint("pay");
    const deciding = b.errors.decide(projects, name, { action: "ignore", count: 2 }, "ann");
    await until(async () => (await rig.database.query("SELECT 1 FROM error_requests")).length === 1);
    await b.errors.duty.begin();
    expect(await deciding).toMatchObject({ state: "ignored", ignoredFor: 2 });
    rig.log.append(...times(2, "pay"));
    await until(() => b.errors.get(projects, name)?.state === "unresolved");
  });

  test("groups are made anew for all, whichever hub is asked", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(30, "pay"), ...times(20, "ship"));
    await rig.counted({ pay: 30, ship: 20 }, a, b);
    await b.errors.decide(projects, b.fingerprint("ship"), { action: "ignore" }, "ann");
    const skipping = setInterval(() => rig.clock.skip(5), 5);
    const report = await b.errors.regroup(0, () => undefined);
    clearInterval(skipping);
    expect(report).toMatchObject({ events: 50, made: 0 });
    rig.log.append({ text: "pay" });
    await rig.counted({ pay: 31, ship: 20 }, a, b);
    await rig.same(a, b);
    expect(b.told).toContainEqual({ kind: "all" });
    // and who comes later has the same
    const c = await rig.hub();
    await rig.same(a, c);
    expect(c.errors.get(projects, c.fingerprint("ship"))?.state).toBe("ignored");
  });

  test("what is too old is forgotten by all, whichever hub looks after it", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"));
    rig.log.append({ text: "ship", server: "s1x" });
    await rig.counted({ pay: 3, ship: 1 }, a, b);
    expect(await b.errors.prune([{ id: "p1", beforeMs: 0 }])).toBe(1);
    await rig.counted({ pay: 3 }, a, b);
    expect(b.told).toContainEqual({ kind: "all" });
    await rig.same(a, b);
  });

  test("what is ignored until a time is back then on all, even if nobody looks", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append({ text: "pay" });
    await rig.counted({ pay: 1 }, a, b);
    const name = b.fingerprint("pay");
    const until_ = new Date(rig.clock.now() + 60_000).toISOString();
    await b.errors.decide(projects, name, { action: "ignore", until: until_ }, "ann");
    rig.clock.skip(62_000);
    await until(() => b.told.some((told) => told.kind === "group" && told.news.includes("reopened")));
    expect(b.errors.get(projects, name)?.state).toBe("unresolved");
  });

  test("crashes belong to their errors on all, and again after a takeover", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    const crashed = () =>
      rig.events.append({
        type: "script.crashed",
        at: new Date(rig.clock.now()).toISOString(),
        script: "api",
        exitCode: 1,
        signal: null,
        observed: true,
        oom: false,
        restarts: 1,
        tail: ["starting", "in pay", "ValueError: bad"],
        willRestart: true,
        restartInMs: 1000,
      });
    rig.log.append({ text: "pay" });
    await rig.counted({ pay: 1 }, a, b);
    crashed();
    await until(() => b.errors.get(projects, b.fingerprint("pay"))?.crashes === 1);
    await rig.kill(a);
    crashed();
    await b.errors.duty.begin();
    rig.log.append({ text: "pay" });
    await until(() => {
      rig.clock.skip(500);
      return b.errors.get(projects, b.fingerprint("pay"))?.crashes === 2;
    });
    expect(b.errors.fingerprintsOf(["1", "2"]).size).toBe(2);
  });

  test("while Postgres is away lines wait where they are, and are counted once when it is back", async () => {
    await using rig = await openSharedRig();
    const [a, b] = [await rig.hub(), await rig.hub()];
    await a.errors.duty.begin();
    rig.log.append(...times(3, "pay"));
    await rig.counted({ pay: 3 }, a, b);
    const postgres = await sharedPostgres();
    await postgres.stop();
    let total = 3;
    for (let n = 0; n < 5; n++) {
      rig.log.append(...times(2, "pay"));
      total += 2;
      await Bun.sleep(20);
      rig.clock.skip(600);
    }
    // people read what is there
    expect(b.counts()).toEqual({ pay: 3 });
    expect(await failureOf(b.errors.decide(projects, b.fingerprint("pay"), { action: "ignore" }, "ann"))).toMatchObject(
      { code: "unavailable" },
    );
    await postgres.start();
    rig.log.append({ text: "ship" });
    await rig.counted({ pay: total, ship: 1 }, a, b);
    await rig.same(a, b);
  });

  test("of three real hubs one groups, and another one goes on when it is gone", async () => {
    await using rig = await openSharedRig();
    const hubs = await Promise.all([1, 2, 3].map(() => rig.clustered()));
    const leader = async () => await until(() => hubs.find((hub) => hub.leads()), "somebody to group");
    const first = await leader();
    rig.log.append(...times(3, "pay"));
    await rig.counted({ pay: 3 }, ...hubs);
    await first.vanish();
    const rest = hubs.filter((hub) => hub !== first);
    rig.log.append(...times(2, "pay"));
    await until(() => rest.find((hub) => hub.leads()), "another one to group");
    await rig.counted({ pay: 5 }, ...rest);
    const [second, third] = rest.toSorted((x, y) => Number(y.leads()) - Number(x.leads()));
    expect([second?.leads(), third?.leads()]).toEqual([true, false]);
    const decided = await third?.errors.decide(projects, third.fingerprint("pay"), { action: "resolve" }, "ann");
    expect(decided).toMatchObject({ state: "resolved", count: 5 });
    expect(second?.errors.get(projects, second.fingerprint("pay"))?.state).toBe("resolved");
    await rig.same(...rest);
  });
});
