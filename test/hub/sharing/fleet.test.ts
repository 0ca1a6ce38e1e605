import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import type { ServerRecord } from "#src/hub/fleet/port.ts";
import { Fault } from "#src/protocol/fault.ts";
import { openTestStore, project } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { until } from "#test/kit/wait.ts";
import { createLoop } from "./loop.ts";
import { openTestRooms } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

/** Two hubs over one store, on a clock that a test moves; what is written is told at once. */
async function openTwo() {
  const opened = await openTestStore();
  await opened.store.putProject(project("p1"));
  const clock = createTestClock();
  const loop = createLoop(() => opened.store);
  loop.live = true;
  const [a, b] = [loop.hub("a"), loop.hub("b")];
  const [here, there] = [await openTestRooms(a, { clock }), await openTestRooms(b, { clock })];
  const register = async (hostname: string, rooms = here) =>
    await rooms.servers.register({ projectId: "p1", hostname });
  /** Lets time pass, in steps, with everything that follows from it. */
  async function pass(ms: number, stepMs = 250): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      clock.advance(Math.min(stepMs, left));
      await loop.settle();
    }
  }
  return {
    opened,
    clock,
    loop,
    a,
    b,
    here,
    there,
    register,
    pass,
    async [Symbol.asyncDispose]() {
      loop.live = false;
      a.cut = b.cut = false;
      // what they write last needs its timers
      const closing = Promise.all([here.close(), there.close()]);
      await closing;
      await opened[Symbol.asyncDispose]();
    },
  };
}

describe("a server", () => {
  test("that one hub registers, renames and removes is so on the other, and its listeners hear of it", async () => {
    await using hubs = await openTwo();
    const { here, there, register } = hubs;
    const told: string[] = [];
    there.servers.onChange((id) => told.push(id));
    const { server, token } = await register("web-1");
    await until(() => there.servers.get(server.id), "the server");
    expect(there.servers.get(server.id)).toEqual(server);
    expect(there.servers.authenticate(server.id, token)).toBe(true);
    const revision = there.servers.revision();
    await here.servers.register({ projectId: "p1", hostname: "web-2", renamedFrom: server.id });
    await until(() => there.servers.get(server.id)?.hostname === "web-2", "the new name");
    expect(there.servers.revision()).toBeGreaterThan(revision);
    await here.servers.remove(server.id);
    await until(() => there.servers.get(server.id) === undefined, "its end");
    expect(there.servers.all()).toEqual([]);
    expect(new Set(told)).toEqual(new Set([server.id]));
  });

  test("whose token dies on one hub has its streams closed on the other", async () => {
    await using hubs = await openTwo();
    const { here, there, register } = hubs;
    const { server, token } = await register("web-1");
    await until(() => there.servers.get(server.id), "the server");
    const died: string[] = [];
    there.servers.onTokenDead((id) => died.push(id));
    const ends: readonly (() => Promise<unknown> | undefined)[] = [
      () => here.servers.rotate(server.id),
      () => here.servers.revoke(server.id),
      () => here.servers.rotate(server.id),
      () => here.servers.remove(server.id),
    ];
    for (const [n, end] of ends.entries()) {
      await end();
      // from nothing to a token nothing dies
      const expected = [1, 2, 2, 3][n];
      await until(() => died.length === expected && !there.servers.authenticate(server.id, token), `end ${n}`);
    }
  });

  test("is the same one when two hubs register it at once, as if one had come after the other", async () => {
    await using hubs = await openTwo();
    const { opened, loop, here, there } = hubs;
    loop.live = false;
    const made = await Promise.all(
      [here, there].map((rooms) => rooms.servers.register({ projectId: "p1", hostname: "web-1", machine: "m1" })),
    );
    loop.live = true;
    loop.deliver();
    const ids = new Set(made.map(({ server }) => server.id));
    expect(ids.size).toBe(1);
    expect(made.filter(({ created }) => created).length).toBe(1);
    const [id = ""] = ids;
    const second = made.find(({ created }) => !created);
    for (const rooms of [here, there]) {
      await until(() => rooms.servers.authenticate(id, second?.token ?? ""), "the second token");
      expect(made.filter(({ token }) => rooms.servers.authenticate(id, token)).length).toBe(1);
    }
    expect((await opened.store.servers()).length).toBe(1);
  });

  test("that another machine has taken meanwhile is refused to a third, as if that had been known", async () => {
    await using hubs = await openTwo();
    const { loop, here, there } = hubs;
    loop.live = false;
    const first = await here.servers.register({ projectId: "p1", hostname: "web-1", machine: "m1" });
    here.beat(first.server.id);
    await hubs.pass(600);
    const refused = await failureOf(there.servers.register({ projectId: "p1", hostname: "web-1", machine: "m2" }));
    expect(refused).toMatchObject({ code: "conflict", message: "another machine reports as web-1 right now" });
  });

  test("that was removed on the other hub does not come back by what is done here", async () => {
    await using hubs = await openTwo();
    const { opened, loop, here, there, register } = hubs;
    const { server } = await register("web-1");
    await until(() => there.servers.get(server.id), "the server");
    loop.live = false;
    await here.servers.remove(server.id);
    expect(await failureOf(there.servers.rotate(server.id) as Promise<unknown>)).toMatchObject({ code: "not-found" });
    expect(await there.servers.revoke(server.id)).toBe(false);
    expect(await opened.store.servers()).toEqual([]);
  });

  test("keeps what another hub has changed when this one changes something else that it did not know of", async () => {
    await using hubs = await openTwo();
    const { opened, loop, here, there, register } = hubs;
    const { server } = await register("web-1");
    await until(() => there.servers.get(server.id), "the server");
    loop.live = false;
    await here.servers.register({ projectId: "p1", hostname: "web-2", renamedFrom: server.id });
    const rotated = await there.servers.rotate(server.id);
    expect((await opened.store.servers())[0]?.hostname).toBe("web-2");
    loop.deliver();
    await until(() => here.servers.authenticate(server.id, rotated?.token ?? ""), "the new token");
  });

  test("has a token that is offered on one hub good on the other, also when it is settled on", async () => {
    await using hubs = await openTwo();
    const { here, there, register } = hubs;
    const { server, token } = await register("web-1");
    const offered = (await here.servers.offerToken(server.id)) ?? "";
    await until(() => there.servers.authenticate(server.id, offered), "the offered token");
    expect(there.servers.authenticate(server.id, token)).toBe(true);
    // never unknown on the way
    const kinds = new Set<string | null>();
    const watching = setInterval(() => kinds.add(there.servers.tokenKind(server.id, offered)), 0);
    await here.servers.settleToken(server.id, "new");
    await until(() => there.servers.tokenKind(server.id, offered) === "current", "the token to be its own");
    clearInterval(watching);
    expect(kinds.has(null)).toBe(false);
    expect(there.servers.authenticate(server.id, token)).toBe(false);
  });
});

describe("an agent", () => {
  test("that reports to one hub is there on the other within a second, with what it said", async () => {
    await using hubs = await openTwo();
    const { here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    await pass(250);
    const turns: boolean[] = [];
    there.servers.onPresence((_, present) => turns.push(present));
    here.beat(server.id);
    await pass(1000);
    const [mine, theirs] = [here, there].map((rooms) => rooms.servers.get(server.id) as ServerRecord);
    expect(theirs).toEqual(mine as ServerRecord);
    expect(there.servers.status(theirs as ServerRecord)).toMatchObject({ status: "connected", transport: "agent" });
    expect(turns).toEqual([true]);
  });

  test("that goes to and fro between hubs is never silent on either, and silent on both once it stops", async () => {
    await using hubs = await openTwo();
    const { here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    await pass(250);
    const turns: string[] = [];
    for (const [name, rooms] of Object.entries({ here, there })) {
      rooms.servers.onPresence((_, present) => turns.push(`${name} ${present}`));
    }
    for (let n = 0; n < 12; n++) {
      (n % 3 === 0 ? here : there).beat(server.id);
      await pass(30_000, 500);
    }
    expect(turns.sort()).toEqual(["here true", "there true"]);
    await pass(120_000, 500);
    expect(turns.slice(2).sort()).toEqual(["here false", "there false"]);
    for (const rooms of [here, there]) {
      expect(rooms.servers.status(rooms.servers.get(server.id) as ServerRecord).status).toBe("disconnected");
    }
  });

  test("stays there while the database is away for longer than an agent may be silent", async () => {
    await using hubs = await openTwo();
    const { a, b, here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    const silent: string[] = [];
    for (const [name, rooms] of Object.entries({ here, there })) {
      rooms.servers.onPresence((_, present) => {
        if (!present) silent.push(name);
      });
    }
    const report = async (times: number) => {
      for (let n = 0; n < times; n++) {
        here.beat(server.id);
        await pass(30_000, 500);
      }
    };
    await report(2);
    a.cut = b.cut = true;
    await report(7);
    expect(there.servers.status(there.servers.get(server.id) as ServerRecord).status).toBe("connected");
    a.cut = b.cut = false;
    await report(4);
    expect(silent).toEqual([]);
    expect(there.servers.get(server.id)).toEqual(here.servers.get(server.id) as ServerRecord);
  });

  test("is there on a hub that is started when it reports to another, whose clock is a little ahead", async () => {
    await using hubs = await openTwo();
    const { clock, loop, here, register, pass } = hubs;
    const { server } = await register("web-1");
    here.beat(server.id);
    await pass(750);
    const behind = { ...clock, now: () => clock.now() - 5000 };
    const third = await openTestRooms(loop.hub("c"), { clock: behind });
    expect(third.servers.status(third.servers.get(server.id) as ServerRecord).status).toBe("connected");
    for (let n = 0; n < 10; n++) {
      here.beat(server.id);
      await pass(30_000, 500);
    }
    expect(third.servers.status(third.servers.get(server.id) as ServerRecord).status).toBe("connected");
    await third.close();
  });

  test("whose token was revoked on another hub is gone, though a report of it is still written", async () => {
    await using hubs = await openTwo();
    const { here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    await pass(250);
    there.beat(server.id);
    await here.servers.revoke(server.id);
    await pass(1500);
    for (const rooms of [here, there]) {
      const found = rooms.servers.get(server.id) as ServerRecord;
      expect(rooms.servers.status(found)).toMatchObject({ status: "disconnected", version: null, lastSeen: null });
      expect(rooms.servers.isPresent(server.id)).toBe(false);
    }
  });

  test("that runs twice with one token, on two hubs, is noticed by both", async () => {
    await using hubs = await openTwo();
    const { here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    await pass(250);
    const heartbeatOf = (startedAt: string) => ({
      version: "1.0.0",
      heartbeat: JSON.stringify({ hostname: "web-1", agent: { version: "1.0.0", startedAt } }),
      hostname: "web-1",
      startedAt,
    });
    for (let n = 0; n < 2; n++) {
      here.servers.beat(server.id, heartbeatOf("2026-01-01T00:00:01.000Z"));
      await pass(15_000, 500);
      there.servers.beat(server.id, heartbeatOf("2026-01-01T00:00:02.000Z"));
      await pass(15_000, 500);
    }
    for (const rooms of [here, there]) {
      const found = rooms.servers.get(server.id) as ServerRecord;
      expect(rooms.servers.notices(found).map(({ code }) => code)).toEqual(["two-agents"]);
    }
  });
});

describe("how a silent server is watched", () => {
  test("shows on every hub, also on one that is started meanwhile, and ends on all", async () => {
    await using hubs = await openTwo();
    const { clock, loop, here, there, register, pass } = hubs;
    const { server } = await register("web-1");
    await pass(250);
    const state = { lastPolled: "2026-01-01T00:02:00.000Z", nextPoll: null, problem: null };
    const report = { at: state.lastPolled, hostname: "web-1" } as never;
    here.servers.setWatch(server.id, { state, report });
    await pass(1000);
    const third = await openTestRooms(loop.hub("c"), { clock });
    for (const rooms of [here, there, third]) {
      const found = rooms.servers.get(server.id) as ServerRecord;
      expect(rooms.servers.status(found)).toMatchObject({ status: "disconnected", transport: "ssh", ssh: state });
      expect(rooms.servers.polled(found)).toBe(JSON.stringify(report));
    }
    here.servers.setWatch(server.id, null);
    await pass(1000);
    for (const rooms of [here, there, third]) {
      const found = rooms.servers.get(server.id) as ServerRecord;
      expect(rooms.servers.status(found).ssh).toBeUndefined();
    }
    await third.close();
  });
});

const name = fc.constantFrom("web-1", "web-2", "web-3");
const what = fc.constantFrom(
  ...(["register", "register", "rename", "rotate", "revoke", "remove", "beat", "offer", "settle", "deliver"] as const),
);
const step = fc.record({
  hub: fc.constantFrom<0 | 1>(0, 1),
  what,
  name,
  other: name,
  /** how far what was begun gets before the next */
  turns: fc.constantFrom(0, 0, 1, 3, 20),
});

describe("whatever two hubs do at once", () => {
  test("both end up with what the store has", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        await using hubs = await openTwo();
        const { opened, loop, here, there, pass } = hubs;
        loop.live = false;
        const pending: Promise<unknown>[] = [];
        const revoked = new Set<string>();
        for (const { hub, turns, ...one } of steps) {
          const rooms = hub === 0 ? here : there;
          const { servers } = rooms;
          const idOf = (hostname: string) => servers.all().find((server) => server.hostname === hostname)?.id ?? "";
          const id = idOf(one.name);
          if (one.what === "revoke") revoked.add(id);
          const registration = { projectId: "p1", hostname: one.name };
          const does: Readonly<Record<typeof one.what, () => unknown>> = {
            register: () => servers.register(registration),
            rename: () => servers.register({ ...registration, renamedFrom: idOf(one.other) }),
            rotate: () => servers.rotate(id),
            revoke: () => servers.revoke(id),
            remove: () => servers.remove(id),
            beat: () => rooms.beat(id),
            offer: () => servers.offerToken(id),
            settle: () => servers.settleToken(id, one.other === one.name ? "new" : "old"),
            deliver: () => loop.deliver(),
          };
          pending.push(Promise.resolve(does[one.what]()).catch(refused));
          for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        }
        // whoever is overtaken waits for a moment of the clock before it tries again
        const state = { over: false };
        const all = Promise.all(pending).finally(() => (state.over = true));
        while (!state.over) await pass(20, 20);
        await all;
        loop.live = true;
        loop.deliver();
        // heartbeats are written, and read, within a second
        await pass(2000);
        // a report that was let in before its token was revoked is forgotten by some hubs and written by others
        const nothing = { version: null, heartbeat: null, lastSeenMs: null, tokenUsedAtMs: null };
        const byId = (rows: readonly ServerRecord[]) =>
          rows
            .map((row) => (revoked.has(row.id) ? { ...row, ...nothing } : row))
            .sort((a, b) => (a.id < b.id ? -1 : 1));
        const rows = byId(await opened.store.servers());
        const offered = (await opened.store.pendingTokens()).map(({ serverId }) => serverId).sort();
        for (const { servers } of [here, there]) {
          expect(byId(servers.all())).toEqual(rows);
          expect(rows.filter(({ id }) => servers.offeredToken(id) !== undefined).map(({ id }) => id)).toEqual(offered);
        }
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });
});

/** The name is taken, or the server is gone. */
function refused(error: unknown): void {
  if (!(error instanceof Fault) || (error.code !== "conflict" && error.code !== "not-found")) throw error;
}
