import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { type Follower, startSharing } from "#src/hub/sharing.ts";
import type { Change } from "#src/hub/store/cluster/port.ts";
import { NotTaken } from "#src/lib/rereading.ts";
import { createTestClock } from "#test/kit/clock.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const ids = (...all: string[]): Change[] => all.map((id) => ({ kind: "server", id }));

/** Followers whose reading takes until the test says so. */
function rig() {
  const clock = createTestClock();
  const said: string[] = [];
  const read: (readonly [string, readonly string[] | null])[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const untold: Change[] = [];
  let listener: (changes: readonly Change[] | null) => void = () => undefined;
  const state = { member: true, held: false, failing: false, strange: false };
  const follower = (name: string, kinds: Follower["kinds"]): Follower => ({
    kinds,
    async refresh(some) {
      read.push([name, some === null ? null : [...some].sort()]);
      if (state.held) {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        await gate.promise;
      }
      if (state.failing) throw new Error("away");
      if (state.strange) throw new NotTaken("a: of tomorrow");
    },
  });
  const sharing = startSharing({
    cluster: {
      isMember: () => state.member,
      async catchUp() {
        const told = untold.splice(0);
        if (told.length > 0) listener(told);
      },
      onChanges(added) {
        listener = added;
        return () => {
          listener = () => undefined;
        };
      },
    },
    followers: [follower("projects", ["project"]), follower("servers", ["server", "beat"])],
    clock,
    log: { info: (line) => void said.push(line), warn: (line) => void said.push(line) },
  });
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    sharing,
    clock,
    said,
    untold,
    read,
    gates,
    state,
    settle,
    change: (all: readonly Change[] | null) => listener(all),
  };
}

describe("what other hubs have changed", () => {
  test("is read from the beginning on, all of it, those first that others refer to", async () => {
    const { sharing, read, settle } = rig();
    await settle();
    expect(read).toEqual([
      ["projects", null],
      ["servers", null],
    ]);
    await sharing.close();
  });

  // Before, this hub did not know of others from then on, and no agent was silent for it any more
  test("is known but for what makes no sense here, which is told", async () => {
    const { sharing, read, said, clock, state, settle, change } = rig();
    await settle();
    read.length = 0;
    state.strange = true;
    change(ids("a"));
    await settle();
    clock.advance(10_000);
    await settle();
    expect(read).toEqual([["servers", ["a"]]]);
    expect(said).toEqual(["something that another hub has written is of no use here: a: of tomorrow"]);
    expect(sharing.isCurrent()).toBe(true);
    await sharing.close();
  });

  test("is read once for all that is told while something is being read", async () => {
    const { sharing, read, gates, state, settle, change } = rig();
    await settle();
    read.length = 0;
    state.held = true;
    change(ids("a"));
    await settle();
    change(ids("b", "c"));
    change([{ kind: "beat", id: "b" }]);
    change([{ kind: "project", id: "p" }]);
    change([{ kind: "person", id: "nobody follows it" }]);
    await settle();
    expect(read).toEqual([["servers", ["a"]]]);
    state.held = false;
    gates[0]?.resolve();
    await settle();
    expect(read.slice(1)).toEqual([
      ["projects", ["p"]],
      ["servers", ["b", "c"]],
    ]);
    read.length = 0;
    change(ids("d"));
    change(null);
    await settle();
    expect(read.at(-1)).toEqual(["servers", null]);
    await sharing.close();
  });

  test("is not forgotten when it can't be read, and said once; meanwhile the hub is not current", async () => {
    const { sharing, clock, said, read, state, settle, change } = rig();
    await settle();
    expect(sharing.isCurrent()).toBe(true);
    state.failing = true;
    change(ids("a"));
    await settle();
    read.length = 0;
    for (let n = 0; n < 10; n++) {
      if (n === 1) change(ids("b"));
      clock.advance(500);
      await settle();
    }
    expect(read.at(-1)).toEqual(["servers", ["a", "b"]]);
    expect([sharing.isCurrent(), said.length]).toEqual([false, 1]);
    state.failing = false;
    clock.advance(500);
    await settle();
    expect(read.at(-1)).toEqual(["servers", ["a", "b"]]);
    expect([sharing.isCurrent(), said.length]).toEqual([true, 2]);
    state.member = false;
    expect(sharing.isCurrent()).toBe(false);
    await sharing.close();
  });

  test("is in memory when somebody has waited for it, and those who ask at once ask once", async () => {
    const { sharing, clock, read, untold, settle } = rig();
    await settle();
    read.length = 0;
    untold.push(...ids("a"));
    let done = 0;
    const asking = Array.from({ length: 10 }, () => sharing.catchUp().then(() => done++));
    await settle();
    expect([done, read]).toEqual([0, []]);
    clock.advance(100);
    await Promise.all(asking);
    expect(read).toEqual([["servers", ["a"]]]);
    await sharing.close();
  });

  test("is waited for no longer than a second", async () => {
    const { sharing, clock, gates, state, untold, settle } = rig();
    await settle();
    state.held = true;
    untold.push(...ids("a"));
    const asking = sharing.catchUp();
    clock.advance(100);
    await settle();
    clock.advance(900);
    await asking;
    gates[0]?.resolve();
    await sharing.close();
  });

  test("is not read any more after the end, which waits for what is being read", async () => {
    const { sharing, read, gates, state, settle, change } = rig();
    await settle();
    state.held = true;
    change(ids("a"));
    await settle();
    read.length = 0;
    let closed = false;
    const closing = sharing.close().then(() => (closed = true));
    change(ids("b"));
    await settle();
    expect(closed).toBe(false);
    gates[0]?.resolve();
    await closing;
    expect(read).toEqual([]);
  });
});
