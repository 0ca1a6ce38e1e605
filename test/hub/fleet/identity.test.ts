import { describe, expect, test } from "bun:test";

import { failureOf } from "#test/kit/failure.ts";
import { beat, fleetOn } from "./rig.ts";

const one = "1".repeat(32);
const two = "2".repeat(32);
const minute = 60_000;

describe("registering a host", () => {
  test("again gives the same server a new token, within a project", async () => {
    const { fleet, register } = fleetOn();
    const first = await register("web-1");
    const again = await register("web-1");
    const elsewhere = await register("web-1", { projectId: "p2" });
    expect([first.created, again.created, elsewhere.created]).toEqual([true, false, true]);
    expect(again.server.id).toBe(first.server.id);
    expect(elsewhere.server.id).not.toBe(first.server.id);
    const good = [first, again, elsewhere].map(({ server, token }) => fleet.authenticate(server.id, token));
    expect(good).toEqual([false, true, true]);
  });

  test("many times at once makes one server, and the last token is the good one", async () => {
    const { fleet, register } = fleetOn();
    const all = await Promise.all(Array.from({ length: 10 }, () => register("web-1")));
    expect(new Set(all.map(({ server }) => server.id)).size).toBe(1);
    expect(all.map(({ server, token }) => fleet.authenticate(server.id, token))).toEqual([
      ...Array.from({ length: 9 }, () => false),
      true,
    ]);
  });

  test("on another machine is refused while the first one reports, unless it is to be replaced", async () => {
    const { fleet, register, codes } = fleetOn();
    const { server, token } = await register("web-1", { machine: one });
    fleet.beat(server.id, beat);
    expect(await failureOf(register("web-1", { machine: two }))).toMatchObject({ code: "conflict" });
    expect(fleet.authenticate(server.id, token)).toBe(true);
    const replaced = await register("web-1", { machine: two, replace: true });
    expect([replaced.server.id, replaced.created, codes(server)]).toEqual([server.id, false, ["machine-replaced"]]);
    expect(fleet.authenticate(server.id, token)).toBe(false);
  });

  test("on another machine takes the name over when the first one is silent, and is said until it registers again", async () => {
    const { fleet, register, clock, disk, codes } = fleetOn();
    const { server } = await register("web-1", { machine: one });
    fleet.beat(server.id, beat);
    clock.advance(121_000);
    expect((await register("web-1", { machine: two })).server.id).toBe(server.id);
    expect(codes(server)).toEqual(["machine-replaced"]);
    const restarted = fleetOn([...disk.values()]);
    await restarted.fleet.open();
    expect(restarted.codes(restarted.fleet.get(server.id) ?? server)).toEqual(["machine-replaced"]);
    await restarted.fleet.close();
    await register("web-1");
    expect(codes(server)).toEqual(["machine-replaced"]);
    await register("web-1", { machine: two });
    expect(codes(server)).toEqual([]);
  });

  test("that was not told of its machine so far is no stranger", async () => {
    const { fleet, register, codes } = fleetOn();
    const { server } = await register("web-1");
    fleet.beat(server.id, beat);
    await register("web-1", { machine: one });
    expect([server.machine, codes(server)]).toEqual([one, []]);
    await register("web-1");
    expect(server.machine).toBe(one);
  });

  test("whose machine is known by another name makes a new server, and says so until the other is gone", async () => {
    const { fleet, register, disk, codes } = fleetOn();
    const old = await register("web-1", { machine: one });
    const fresh = await register("web-2", { machine: one });
    expect(fresh.created).toBe(true);
    expect(fleet.notices(fresh.server)).toEqual([
      { code: "machine-known", serverId: old.server.id, message: expect.stringContaining("known as web-1") },
    ]);
    expect(codes(old.server)).toEqual([]);
    const restarted = fleetOn([...disk.values()]);
    await restarted.fleet.open();
    expect(restarted.codes(fresh.server)).toEqual(["machine-known"]);
    await restarted.fleet.close();
    const elsewhere = await register("web-3", { machine: one, projectId: "p2" });
    expect(codes(elsewhere.server)).toEqual([]);
    await fleet.remove(old.server.id);
    expect(codes(fresh.server)).toEqual([]);
  });
});

describe("a renamed host", () => {
  test("keeps its id and history under the new name", async () => {
    const { fleet, register, disk, codes } = fleetOn();
    const { server, token } = await register("web-1", { machine: one });
    fleet.beat(server.id, beat);
    const renamed = await register("web-2", { machine: one, renamedFrom: server.id });
    expect([renamed.server.id, renamed.created, codes(server)]).toEqual([server.id, false, []]);
    expect(fleet.all().map((one) => one.hostname)).toEqual(["web-2"]);
    expect(disk.get(server.id)?.hostname).toBe("web-2");
    expect(fleet.authenticate(server.id, token)).toBe(false);
    // a repeat, as after an answer that got lost
    expect((await register("web-2", { machine: one, renamedFrom: server.id })).server.id).toBe(server.id);
    expect((await register("web-1", { machine: two })).created).toBe(true);
  });

  test("is refused when there is no such server in the project", async () => {
    const { register } = fleetOn();
    const { server } = await register("web-1", { projectId: "p2" });
    for (const renamedFrom of ["nobody", server.id]) {
      expect(await failureOf(register("web-2", { renamedFrom }))).toMatchObject({ code: "not-found" });
    }
  });

  test("is refused when its new name is another server's", async () => {
    const { fleet, register } = fleetOn();
    const { server } = await register("web-1", { machine: one });
    const other = await register("web-2", { machine: two });
    const refused = register("web-2", { machine: one, renamedFrom: server.id });
    expect(await failureOf(refused)).toMatchObject({ code: "conflict" });
    expect(fleet.authenticate(other.server.id, other.token)).toBe(true);
  });

  test("takes the place of the blank server that it has just been registered as", async () => {
    const { fleet, register, disk, codes } = fleetOn();
    const { server } = await register("web-1", { machine: one });
    fleet.beat(server.id, beat);
    const blank = await register("web-2", { machine: one });
    const dead: string[] = [];
    fleet.onTokenDead((id) => dead.push(id));
    const renamed = await register("web-2", { machine: one, renamedFrom: server.id });
    expect([renamed.server.id, codes(server)]).toEqual([server.id, []]);
    expect(dead).toContain(blank.server.id);
    expect([...disk.keys()]).toEqual([server.id]);
    expect(fleet.authenticate(blank.server.id, blank.token)).toBe(false);
  });

  test("does not take the place of one that has used its token", async () => {
    const { fleet, register } = fleetOn();
    const { server } = await register("web-1", { machine: one });
    const other = await register("web-2", { machine: one });
    fleet.authenticate(other.server.id, other.token);
    const refused = register("web-2", { machine: one, renamedFrom: server.id });
    expect(await failureOf(refused)).toMatchObject({ code: "conflict" });
  });

  test("is as it was when the change could not be stored", async () => {
    const { fleet, register, failing } = fleetOn();
    const { server, token } = await register("web-1", { machine: one });
    failing.puts = true;
    expect(await failureOf(register("web-2", { machine: two, renamedFrom: server.id }))).toMatchObject({
      message: "disk full",
    });
    expect([server.hostname, server.machine]).toEqual(["web-1", one]);
    expect(fleet.authenticate(server.id, token)).toBe(true);
    failing.puts = false;
    expect((await register("web-1")).server.id).toBe(server.id);
  });
});

describe("heartbeats", () => {
  test("of a host with another name are noticed until the names agree", async () => {
    const { fleet, register, codes } = fleetOn();
    const { server } = await register("web-1");
    fleet.beat(server.id, { ...beat, hostname: "web-9" });
    expect(fleet.notices(server)).toEqual([
      { code: "hostname-differs", message: expect.stringContaining("calls itself web-9") },
    ]);
    fleet.beat(server.id, beat);
    expect(codes(server)).toEqual([]);
  });

  test("of two agents with one token are noticed until one has been alone for five minutes", async () => {
    const { fleet, register, codes, clock } = fleetOn();
    const { server } = await register("web-1");
    const from = (startedAt: string) => fleet.beat(server.id, { ...beat, startedAt });
    from("A");
    from("B");
    expect(codes(server)).toEqual([]);
    from("A");
    expect(codes(server)).toEqual(["two-agents"]);
    const told: string[] = [];
    fleet.onChange((id) => told.push(id));
    await fleet.open();
    for (let i = 0; i < 10; i++) {
      clock.advance(30_000);
      from("A");
    }
    expect(codes(server)).toEqual(["two-agents"]);
    told.length = 0;
    clock.advance(10_000);
    expect([codes(server), told]).toEqual([[], [server.id]]);
    await fleet.close();
  });

  test("of an agent that restarts often are no strangers, however many starts that takes", async () => {
    const { fleet, register, codes } = fleetOn();
    const { server } = await register("web-1");
    for (let n = 0; n < 40; n++) fleet.beat(server.id, { ...beat, startedAt: `start ${n}` });
    expect(codes(server)).toEqual([]);
  });

  test("of three agents that take turns are noticed too", async () => {
    const { fleet, register, codes, clock } = fleetOn();
    const { server } = await register("web-1");
    for (let n = 0; n < 12; n++) {
      fleet.beat(server.id, { ...beat, startedAt: `agent ${n % 3}` });
      clock.advance(minute / 6);
    }
    expect(codes(server)).toEqual(["two-agents"]);
  });

  test("with a new token begin a new story", async () => {
    const { fleet, register, codes } = fleetOn();
    const { server } = await register("web-1");
    for (const startedAt of ["A", "B", "A"]) fleet.beat(server.id, { ...beat, startedAt });
    await fleet.rotate(server.id);
    expect(codes(server)).toEqual([]);
  });
});
