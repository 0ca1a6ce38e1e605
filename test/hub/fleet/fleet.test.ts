import { describe, expect, test } from "bun:test";

import { createAgentToken, matchesToken } from "#src/hub/auth/token.ts";
import { createFleet } from "#src/hub/fleet/fleet.ts";
import type { FleetStore, ServerRecord } from "#src/hub/fleet/port.ts";
import { createTestClock } from "#test/kit/clock.ts";

function fleetOn(records: readonly ServerRecord[] = [], failing = { beats: false }) {
  const clock = createTestClock();
  const beats: ServerRecord[][] = [];
  const warnings: string[] = [];
  const store: FleetStore = {
    servers: async () => records,
    putServer: async () => undefined,
    putBeats: async (rows) => {
      if (failing.beats) throw new Error("disk full");
      beats.push([...rows]);
    },
  };
  const tokens = { create: createAgentToken, matches: matchesToken };
  const fleet = createFleet({ store, tokens, clock, warn: (message) => void warnings.push(message) });
  return { clock, beats, warnings, fleet };
}

const beat = { version: "1.0.0", heartbeat: "{}" };

describe("the fleet", () => {
  test("counts a server as connected for 120 seconds after its last report, and tells when that ends", async () => {
    const { clock, fleet } = fleetOn();
    await fleet.open();
    const { server } = fleet.register("web-1");
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
    const { clock, fleet, beats } = fleetOn();
    await fleet.open();
    const ids = Array.from({ length: 50 }, (_, i) => fleet.register(`web-${i}`).server.id);
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
    const failing = { beats: true };
    const { clock, fleet, beats, warnings } = fleetOn([], failing);
    await fleet.open();
    const { server } = fleet.register("web-1");
    fleet.beat(server.id, beat);
    clock.advance(2000);
    await Promise.resolve();
    expect(warnings).toEqual(["heartbeats of 1 servers are not on disk yet: disk full"]);
    failing.beats = false;
    fleet.beat(server.id, beat);
    clock.advance(2000);
    expect(beats.length).toBe(1);
  });
});

describe("tokens", () => {
  test("match their own digest and no other", () => {
    const [one, two] = [createAgentToken(), createAgentToken()];
    expect(one.token).toMatch(/^oat_[\w-]{43}$/);
    expect(one.token).not.toBe(two.token);
    expect(matchesToken(one.token, one.digest)).toBe(true);
    expect(matchesToken(one.token, two.digest)).toBe(false);
    expect(matchesToken(one.token, null)).toBe(false);
    expect(matchesToken("", null)).toBe(false);
  });
});
