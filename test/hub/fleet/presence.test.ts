import { describe, expect, test } from "bun:test";

import { createTurns, silencesIn } from "#src/hub/fleet/turns.ts";
import type { HubEvent } from "#src/protocol/event.ts";
import { until } from "#test/kit/wait.ts";
import { beat, fleetOn } from "./rig.ts";

const at = (ms: number) => new Date(Date.parse("2026-01-01T00:00:00.000Z") + ms).toISOString();

describe("an agent", () => {
  test("falls silent once, when it has not reported for two minutes, and is back with its next report", async () => {
    const { clock, fleet, register } = fleetOn();
    await fleet.open();
    const { server } = await register("web-1");
    const turns: (readonly [number, boolean])[] = [];
    fleet.onPresence((_, present) => turns.push([clock.monotonic(), present]));
    expect(fleet.isPresent(server.id)).toBe(false);
    fleet.beat(server.id, beat);
    clock.advance(60_000);
    fleet.beat(server.id, beat);
    clock.advance(120_000);
    expect(turns).toEqual([[0, true]]);
    clock.advance(600_000);
    expect(turns).toEqual([
      [0, true],
      [180_001, false],
    ]);
    fleet.beat(server.id, beat);
    expect(turns[2]).toEqual([780_000, true]);
    await fleet.close();
  });

  test("is neither silent nor there because the hub's clock was set", async () => {
    // Before, an hour ahead made every agent silent, and an hour back kept a dead one connected for that long.
    const { clock, fleet, register } = fleetOn();
    await fleet.open();
    const { server } = await register("web-1");
    const set = (ms: number) => (clock.now = () => Date.parse("2026-01-01T00:00:00.000Z") + clock.monotonic() + ms);
    const seen = () => [fleet.isPresent(server.id), fleet.status(server).status];
    fleet.beat(server.id, beat);
    set(3_600_000);
    clock.advance(60_000);
    expect(seen()).toEqual([true, "connected"]);
    fleet.beat(server.id, beat);
    set(-3_600_000);
    clock.advance(119_000);
    expect(seen()).toEqual([true, "connected"]);
    clock.advance(2000);
    expect(seen()).toEqual([false, "disconnected"]);
    await fleet.close();
  });

  test("is not waited for any more when its token is revoked or its server removed", async () => {
    const { fleet, register } = fleetOn();
    await fleet.open();
    const [one, two] = [(await register("web-1")).server, (await register("web-2")).server];
    for (const { id } of [one, two]) fleet.beat(id, beat);
    const turns: string[] = [];
    fleet.onPresence((id, present) => turns.push(`${id} ${present}`));
    await fleet.revoke(one.id);
    await fleet.remove(two.id);
    expect(turns).toEqual([`${one.id} false`, `${two.id} false`]);
    await fleet.close();
  });

  test("has two minutes anew when the hub is started, unless it was silent before", async () => {
    const first = fleetOn();
    const [one, two] = [(await first.register("web-1")).server, (await first.register("web-2")).server];
    const records = [one, two].map((server) => ({ ...server, lastSeenMs: first.clock.now() - 3_600_000 }));
    const silences = new Map([[one.id, at(-3_600_000)]]);
    const { clock, fleet } = fleetOn(records, new Map(), silences);
    await fleet.open();
    const turns: string[] = [];
    fleet.onPresence((id, present) => turns.push(`${id} ${present}`));
    expect([one, two].map(({ id }) => fleet.isPresent(id))).toEqual([false, true]);
    clock.advance(119_000);
    expect(turns).toEqual([]);
    clock.advance(3000);
    expect(turns).toEqual([`${two.id} false`]);
    await fleet.close();
  });
});

describe("a server that is watched over SSH", () => {
  test("has its figures from there, until watching fails or ends", async () => {
    const { clock, fleet, register } = fleetOn();
    await fleet.open();
    const { server } = await register("web-1");
    fleet.beat(server.id, beat);
    clock.advance(130_000);
    const state = { lastPolled: at(130_000), nextPoll: at(190_000), problem: null };
    const report = { at: at(130_000) } as never;
    let told = 0;
    fleet.onChange(() => told++);
    fleet.setWatch(server.id, { state, report });
    expect(told).toBe(1);
    expect(fleet.status(server)).toMatchObject({ status: "disconnected", transport: "ssh", ssh: state });
    expect(fleet.polled(server)).toBe(JSON.stringify(report));
    const failed = { ...state, problem: "refused" };
    fleet.setWatch(server.id, { state: failed, report: null });
    expect(fleet.status(server)).toMatchObject({ transport: null, ssh: failed });
    expect(fleet.polled(server)).toBeNull();
    fleet.setWatch(server.id, null);
    expect(Object.keys(fleet.status(server))).not.toContain("ssh");
    await fleet.close();
  });
});

describe("the turns of agents", () => {
  async function turnsOf(stored: readonly HubEvent[] = [], watched = false) {
    const rig = fleetOn();
    await rig.fleet.open();
    const { server } = await rig.register("web-1");
    const events: HubEvent[] = [...stored];
    const said: string[] = [];
    const open = () =>
      createTurns({
        servers: rig.fleet,
        events: {
          async appendEvents(batch) {
            expect(batch.serverId).toBe(server.id);
            events.push(...batch.events);
          },
          async newestOf(types) {
            const event = events.findLast(({ type }) => types.includes(type));
            return event === undefined ? [] : [{ serverId: server.id, event }];
          },
        },
        isWatched: () => watched,
        clock: rig.clock,
        log: { info: (message) => void said.push(message), warn: (message) => void said.push(message) },
      });
    return { ...rig, id: server.id, events, said, open };
  }

  test("are put down with their times and with who watches meanwhile", async () => {
    const { clock, fleet, id, events, said, open } = await turnsOf([], true);
    await open();
    fleet.beat(id, beat);
    clock.advance(300_000);
    fleet.beat(id, beat);
    await until(() => events.length === 2, "both turns");
    expect(events).toEqual([
      { type: "agent.silent", at: at(120_001), since: at(0), version: "1.0.0", watch: "ssh" },
      { type: "agent.back", at: at(300_000), since: at(0), version: "1.0.0" },
    ]);
    expect(said).toEqual([
      `the agent of web-1 is silent since ${at(0)}: watched over SSH`,
      `the agent of web-1 is back, it was silent since ${at(0)}`,
    ]);
  });

  test("are told once, however often the hub is started meanwhile", async () => {
    const { clock, fleet, id, events, open } = await turnsOf();
    const first = await open();
    fleet.beat(id, beat);
    clock.advance(300_000);
    first.close();
    const told = await silencesIn({ newestOf: async () => [{ serverId: id, event: events[0] as HubEvent }] });
    expect([...told]).toEqual([[id, at(0)]]);
    // a start that has forgotten who is there: the same silence is noticed again
    const second = await open();
    await fleet.revoke(id);
    expect(events.map(({ type }) => type)).toEqual(["agent.silent"]);
    await fleet.rotate(id);
    fleet.beat(id, beat);
    expect(events.map(({ type }) => type)).toEqual(["agent.silent", "agent.back"]);
    second.close();
  });

  test("of an agent whose token was revoked are none", async () => {
    const { fleet, id, events, open } = await turnsOf();
    await open();
    fleet.beat(id, beat);
    await fleet.revoke(id);
    expect(events).toEqual([]);
  });

  test("remember that watching failed", async () => {
    const { id, events, open } = await turnsOf();
    const first = await open();
    expect(first.wasFailing(id)).toBe(false);
    first.tell(id, { type: "watch.failed", at: at(0), problem: "refused" });
    expect(first.wasFailing(id)).toBe(true);
    expect((await open()).wasFailing(id)).toBe(true);
    first.tell(id, { type: "watch.restored", at: at(1) });
    expect([first.wasFailing(id), (await open()).wasFailing(id), events.length]).toEqual([false, false, 2]);
  });
});
