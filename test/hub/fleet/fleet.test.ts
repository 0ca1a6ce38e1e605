import { describe, expect, test } from "bun:test";

import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";
import { beat, fleetOn } from "./rig.ts";

describe("the fleet", () => {
  test("counts a server as connected for 120 seconds after its last report, and tells when that ends", async () => {
    const { clock, fleet, register } = fleetOn();
    await fleet.open();
    const { server } = await register("web-1");
    const told: string[] = [];
    fleet.onChange((id) => told.push(fleet.status(fleet.get(id) ?? server).status));
    fleet.beat(server.id, beat);
    clock.advance(120_000);
    expect(told).toEqual(["connected"]);
    clock.advance(5001);
    expect(told).toEqual(["connected", "disconnected"]);
    expect(fleet.status(fleet.get(server.id) ?? server)).toEqual({
      status: "disconnected",
      version: "1.0.0",
      lastSeen: "2026-01-01T00:00:00.000Z",
      transport: null,
    });
    clock.advance(60_000);
    expect(told.length).toBe(2);
    fleet.beat(server.id, beat);
    expect(told.at(-1)).toBe("connected");
  });

  test("writes many heartbeats together, each server once", async () => {
    const { clock, fleet, beats, register } = fleetOn();
    await fleet.open();
    const servers = await Promise.all(Array.from({ length: 50 }, (_, i) => register(`web-${i}`)));
    const ids = servers.map(({ server }) => server.id);
    for (let round = 0; round < 3; round++) for (const id of ids) fleet.beat(id, { ...beat, heartbeat: `${round}` });
    expect(beats).toEqual([]);
    clock.advance(2000);
    expect(beats.map((rows) => [rows.length, new Set(rows.map((row) => row.heartbeat)).size])).toEqual([[50, 1]]);
    expect(beats[0]?.[0]?.heartbeat).toBe("2");
    clock.advance(60_000);
    expect(beats.length).toBe(1);
    fleet.beat(ids[0] ?? "", beat);
    await fleet.close();
    expect(beats.length).toBe(2);
  });

  test("lives on when heartbeats can't be written", async () => {
    const { clock, fleet, beats, warnings, failing, register } = fleetOn();
    failing.beats = true;
    await fleet.open();
    const { server } = await register("web-1");
    fleet.beat(server.id, beat);
    clock.advance(2000);
    await until(() => warnings.length > 0);
    expect(warnings).toEqual(["heartbeats of 1 servers are not on disk yet: disk full"]);
    failing.beats = false;
    fleet.beat(server.id, beat);
    clock.advance(60_000);
    expect(beats.length).toBe(1);
  });

  test("writes the first beat of a server soon, those after it once a minute, and many of them a few at a time", async () => {
    const { fleet, register, beats, clock } = fleetOn();
    await fleet.open();
    const ids: string[] = [];
    for (let i = 0; i < 250; i++) ids.push((await register(`web-${i}`)).server.id);
    const written = () => beats.map((rows) => rows.length);
    for (const id of ids) fleet.beat(id, beat);
    clock.advance(2000);
    await until(() => written().length === 3);
    expect(written()).toEqual([100, 100, 50]);
    for (let round = 0; round < 2; round++) {
      clock.advance(29_000);
      for (const id of ids) {
        fleet.authenticate(id, "");
        fleet.beat(id, beat);
      }
    }
    expect(written().length).toBe(3);
    clock.advance(31_000);
    await until(() => written().length === 6);
    expect(written().slice(3)).toEqual([100, 100, 50]);
    await fleet.close();
    expect(written().length).toBe(6);
  });

  test("lists servers by host name, then project, as one array until one comes, goes or moves", async () => {
    const { fleet, register } = fleetOn();
    await fleet.open();
    const names = () => fleet.all().map((server) => `${server.hostname}/${server.projectId}`);
    await register("web-2");
    await register("web-1", { projectId: "p2" });
    const { server } = await register("web-1");
    expect(names()).toEqual(["web-1/p1", "web-1/p2", "web-2/p1"]);
    const [list, revision] = [fleet.all(), fleet.revision()];
    fleet.beat(server.id, beat);
    await fleet.rotate(server.id);
    await register("web-1");
    expect(fleet.all()).toBe(list);
    expect(fleet.revision()).toBe(revision);
    await register("web-3", { renamedFrom: server.id });
    expect(names()).toEqual(["web-1/p2", "web-2/p1", "web-3/p1"]);
    const afterMove = fleet.revision();
    expect(afterMove).toBeGreaterThan(revision);
    await fleet.remove(server.id);
    expect(names()).toEqual(["web-1/p2", "web-2/p1"]);
    expect(fleet.revision()).toBeGreaterThan(afterMove);
  });

  test("is as it was after a restart", async () => {
    const first = fleetOn();
    await first.fleet.open();
    const { server, token } = await first.register("web-1", { machine: "a".repeat(32) });
    first.fleet.beat(server.id, beat);
    await first.fleet.close();
    const second = fleetOn(first.beats[0] ?? []);
    await second.fleet.open();
    expect(second.fleet.all()).toEqual([server]);
    expect(second.fleet.status(server).status).toBe("connected");
    expect(second.fleet.authenticate(server.id, token)).toBe(true);
    expect((await second.register("web-1")).server.id).toBe(server.id);
    await second.fleet.close();
  });
});

describe("an agent token", () => {
  test("is dead before its successor's promise resolves, and whoever holds something open by it is told", async () => {
    const { fleet, register } = fleetOn();
    const { server, token } = await register("web-1");
    const dead: string[] = [];
    fleet.onTokenDead((id) => dead.push(id));
    const rotating = fleet.rotate(server.id);
    expect([fleet.authenticate(server.id, token), dead]).toEqual([false, [server.id]]);
    const rotated = await rotating;
    expect(fleet.authenticate(server.id, rotated?.token ?? "")).toBe(true);
    expect(fleet.rotate("nobody")).toBeUndefined();
    const registering = register("web-1");
    expect([fleet.authenticate(server.id, rotated?.token ?? ""), dead.length]).toEqual([false, 2]);
    await registering;
  });

  test("that is revoked leaves nothing of the agent, also when a heartbeat was on its way", async () => {
    const { fleet, register, disk, beats, clock } = fleetOn();
    const { server, token } = await register("web-1");
    fleet.beat(server.id, beat);
    const dead: string[] = [];
    fleet.onTokenDead((id) => dead.push(id));
    const revoking = fleet.revoke(server.id);
    expect([fleet.authenticate(server.id, token), dead]).toEqual([false, [server.id]]);
    fleet.beat(server.id, beat);
    expect(await revoking).toBe(true);
    expect(fleet.status(server)).toEqual({ status: "disconnected", version: null, lastSeen: null, transport: null });
    expect(disk.get(server.id)).toMatchObject({ digest: null, version: null, lastSeenMs: null, tokenUsedAtMs: null });
    clock.advance(60_000);
    expect(beats).toEqual([]);
    expect(await fleet.revoke("nobody")).toBe(false);
  });

  test("goes on when its successor could not be stored", async () => {
    const { fleet, register, failing } = fleetOn();
    const { server, token } = await register("web-1");
    failing.puts = true;
    expect(await failureOf(fleet.rotate(server.id))).toMatchObject({ message: "disk full" });
    expect(await failureOf(register("web-1"))).toMatchObject({ message: "disk full" });
    expect(await failureOf(fleet.revoke(server.id))).toMatchObject({ message: "disk full" });
    expect(await failureOf(fleet.remove(server.id))).toMatchObject({ message: "disk full" });
    expect(fleet.authenticate(server.id, token)).toBe(true);
    expect(await failureOf(register("web-2"))).toMatchObject({ message: "disk full" });
    expect(fleet.all()).toEqual([server]);
  });

  test("says when it was last used, and is not written for that each time", async () => {
    const { fleet, register, beats, clock } = fleetOn();
    const { server, token } = await register("web-1");
    expect(server.tokenUsedAtMs).toBeNull();
    for (let i = 0; i < 10; i++) {
      clock.advance(2000);
      expect(fleet.authenticate(server.id, token)).toBe(true);
    }
    expect(fleet.get(server.id)?.tokenUsedAtMs).toBe(clock.now());
    expect(fleet.authenticate(server.id, "oat_wrong")).toBe(false);
    expect(beats).toEqual([]);
    clock.advance(40_000);
    expect(beats.map((rows) => rows.map((row) => row.tokenUsedAtMs))).toEqual([[server.tokenUsedAtMs]]);
  });
});
