import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { SshSession, SshTargets } from "#src/hub/ssh/port.ts";
import { startWatching } from "#src/hub/watching.ts";
import type { PolledReport } from "#src/protocol/polled.ts";
import { healthy, outputOf } from "#test/hub/ssh/polling/rig.ts";
import { openTestStore, project } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { createLoop } from "./loop.ts";
import { openTestRooms } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

/** Hubs that strive to watch, over one store, on a clock that a test moves. */
async function openHubs(reachable: readonly string[] = []) {
  const opened = await openTestStore();
  await opened.store.putProject(project("p1"));
  const clock = createTestClock();
  const loop = createLoop(() => opened.store);
  loop.live = true;
  const polls: string[] = [];
  const ends: (() => Promise<unknown>)[] = [];

  async function open(id: string) {
    const hub = loop.hub(id);
    const rooms = await openTestRooms(hub, { clock });
    const targets: SshTargets = {
      ids: () => rooms.servers.all().flatMap((one) => (reachable.includes(one.hostname) ? one.id : [])),
      has: (server) => reachable.includes(rooms.servers.get(server)?.hostname ?? ""),
      targetOf: async () => ({}) as never,
      onChange: () => () => undefined,
    };
    const stop = startWatching({
      rooms: { servers: rooms.servers, state: hub.store },
      targets,
      record: (_: string, report: PolledReport) => void polls.push(`${id} ${report.hostname}`),
      clock,
      log: rooms.log,
      cluster: hub.cluster,
      open: async () => session(),
    });
    ends.push(async () => {
      await stop();
      await rooms.close();
    });
    return { ...rooms, hub, stop };
  }

  const session = (): SshSession => ({
    hostKey: "SHA256:key",
    closed: new Promise(() => undefined),
    close: () => undefined,
    run: async (script) => ({ code: 0, signal: null, stdout: outputOf(script, healthy(1000)), stderr: "" }),
  });

  async function pass(ms: number, stepMs = 500): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await loop.settle();
    }
  }
  /** The turns that were told of a server, oldest first. */
  async function turns(serverId: string): Promise<string[]> {
    const search = { scope: null, serverId, types: null, source: null, fromMs: null, toMs: null, limit: 100 };
    const { events } = await opened.store.events({ ...search, before: null });
    return events.map(({ event }) => event.type).toReversed();
  }
  return {
    opened,
    clock,
    loop,
    open,
    pass,
    turns,
    polls,
    async [Symbol.asyncDispose]() {
      for (const end of ends.toReversed()) await end();
      await opened[Symbol.asyncDispose]();
    },
  };
}

const register = async (rooms: Awaited<ReturnType<Awaited<ReturnType<typeof openHubs>>["open"]>>, hostname = "web-1") =>
  (await rooms.servers.register({ projectId: "p1", hostname })).server;

describe("of several hubs", () => {
  test("one tells that an agent is silent, and that it is back, though it reported to the others", async () => {
    await using hubs = await openHubs();
    const { open, pass, turns } = hubs;
    const [, b, c] = [await open("a"), await open("b"), await open("c")];
    const { id } = await register(b);
    b.beat(id);
    await pass(130_000);
    expect(await turns(id)).toEqual(["agent.silent"]);
    c.beat(id);
    await pass(1000);
    expect(await turns(id)).toEqual(["agent.silent", "agent.back"]);
  });

  test("the next one tells once what nobody told while nobody watched", async () => {
    await using hubs = await openHubs();
    const { open, pass, turns, loop } = hubs;
    const [a, b] = [await open("a"), await open("b")];
    const [told, silent, back] = [await register(a, "web-1"), await register(a, "web-2"), await register(a, "web-3")];
    for (const { id } of [told, back]) a.beat(id);
    await pass(130_000);
    a.beat(silent.id);
    await pass(1000);
    // it hangs: it tells nothing, and is not gone yet
    await a.stop();
    await pass(1000);
    const third = await open("c");
    loop.kill(b.hub);
    await pass(1000);
    expect(await turns(told.id)).toEqual(["agent.silent"]);
    third.beat(back.id);
    await pass(130_000);
    expect(await turns(told.id)).toEqual(["agent.silent"]);
    expect(await turns(silent.id)).toEqual(["agent.silent"]);
    expect((await turns(back.id)).slice(0, 2)).toEqual(["agent.silent", "agent.back"]);
  });

  test("what turned while no hub watched is told by the next: a silence, and a return", async () => {
    await using hubs = await openHubs();
    const { open, pass, turns } = hubs;
    const a = await open("a");
    const [silent, back] = [await register(a, "web-1"), await register(a, "web-2")];
    a.beat(back.id);
    await pass(130_000);
    a.beat(silent.id);
    await pass(60_000);
    await a.stop();
    // fell silent, and came back, with nobody there to tell
    a.beat(back.id);
    await pass(60_000);
    a.beat(back.id);
    await pass(60_000);
    a.beat(back.id);
    const b = await open("b");
    await pass(1000);
    expect(await turns(back.id)).toEqual(["agent.silent", "agent.back"]);
    b.beat(back.id);
    await pass(130_000);
    expect(await turns(silent.id)).toEqual(["agent.silent"]);
  });

  test("an event that the database can't take now is told when it is back, once", async () => {
    await using hubs = await openHubs();
    const { open, pass, turns } = hubs;
    const a = await open("a");
    const { id } = await register(a);
    a.beat(id);
    await pass(119_000);
    // written, but never answered: told a second time under the same name
    const { store } = hubs.opened;
    const append = store.appendEvents;
    let tries = 0;
    Object.assign(store, {
      appendEvents: async (batch: Parameters<typeof append>[0]) => {
        const appended = await append(batch);
        if (++tries === 1) a.hub.cut = true;
        return appended;
      },
    });
    await pass(5000);
    a.hub.cut = false;
    await pass(5000);
    expect([tries, await turns(id)]).toEqual([2, ["agent.silent"]]);
  });

  test("one looks at silent servers over SSH, every hub shows what it saw, and the next goes on with it", async () => {
    await using hubs = await openHubs(["web-1"]);
    const { open, pass, polls, loop } = hubs;
    const [a, b] = [await open("a"), await open("b")];
    const { id } = await register(b);
    b.beat(id);
    await pass(200_000, 2000);
    const transport = ({ servers }: typeof a) => servers.status(servers.get(id) as never).transport;
    expect([transport(a), transport(b)]).toEqual(["ssh", "ssh"]);
    expect(new Set(polls)).toEqual(new Set(["a web-1"]));
    const seen = ({ servers }: typeof a) => servers.polled(servers.get(id) as never);
    // each host has its own moment of the minute: where that is now, the other hub hears of it within a second
    if (seen(a) !== seen(b)) await pass(1000);
    expect(seen(a)).toBe(seen(b));
    polls.length = 0;
    await a.stop();
    // never gone in between
    expect(transport(b)).toBe("ssh");
    await pass(120_000, 2000);
    expect(new Set(polls)).toEqual(new Set(["b web-1"]));
    expect([transport(a), transport(b)]).toEqual(["ssh", "ssh"]);
    a.beat(id);
    await pass(2000);
    expect([transport(a), transport(b)]).toEqual(["agent", "agent"]);
    for (const { servers } of [a, b]) expect(servers.status(servers.get(id) as never).ssh).toBeUndefined();
    loop.kill(b.hub);
  });

  test("what a hub that died has left of servers that are not watched any more is cleared", async () => {
    await using hubs = await openHubs(["web-1"]);
    const { open, pass, loop } = hubs;
    const a = await open("a");
    const { id } = await register(a);
    a.beat(id);
    await pass(200_000, 2000);
    const b = await open("b");
    expect(b.servers.status(b.servers.get(id) as never).transport).toBe("ssh");
    // its agent comes back with the death of the hub that watched
    b.beat(id);
    a.hub.cut = true;
    await pass(1000);
    loop.kill(a.hub);
    await pass(2000);
    expect(b.servers.status(b.servers.get(id) as never).ssh).toBeUndefined();
    expect(await hubs.opened.store.watches()).toEqual([]);
    a.hub.cut = false;
  });
});
