import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import type { Told } from "#src/hub/errors/errors.ts";
import { crash } from "#test/hub/kit/hub.ts";
import { type Line, openRig, projects } from "./rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const times = (count: number, text: string, rest: Partial<Line> = {}): Line[] =>
  Array.from({ length: count }, () => ({ text, ...rest }));
const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const at = (ms: number) => new Date(ms).toISOString();

describe("groups", () => {
  test("count what is the same, apart for each project", async () => {
    await using rig = await openRig();
    rig.log.append(...times(3, "pay"), ...times(2, "ship"));
    rig.log.append({ text: "pay", server: "s9x" });
    await rig.settle();
    const seen = rig.groups().map(({ project, culprit, count }) => [project, culprit, count]);
    expect(seen.sort(byText)).toEqual([
      ["p1", "shop/cart.py pay", 3],
      ["p1", "shop/cart.py ship", 2],
      ["p2", "shop/cart.py pay", 1],
    ]);
    expect(rig.errors.detail(["p2"], rig.fingerprint("ship"))).toBeUndefined();
    expect(rig.said).toEqual([]);
  });

  test("are seen at once by who asks, and written soon after", async () => {
    await using rig = await openRig();
    await rig.settle(0);
    rig.log.append({ text: "pay" });
    rig.clock.advance(60);
    expect(rig.counts()).toEqual({ pay: 1 });
    rig.log.append({ text: "pay" });
    rig.clock.advance(500);
    expect(
      rig.store.list({
        projects,
        kinds: ["error"],
        state: null,
        text: null,
        source: null,
        server: null,
        release: null,
        sinceMs: null,
        sort: "last",
        limit: 9,
        cursor: null,
      }).groups[0]?.count,
    ).toBe(2);
  });

  test("tell where their events came from, and when", async () => {
    await using rig = await openRig();
    const start = rig.clock.now();
    rig.log.append(...times(2, "pay@1.0", { source: "web" }));
    rig.log.append(...times(3, "pay@1.1", { source: "api", server: "s2" }));
    rig.clock.advance(3_600_000);
    rig.log.append({ text: "pay@1.1", source: "api", server: "s2" });
    await rig.settle();
    const detail = rig.errors.detail(projects, rig.fingerprint("pay"));
    expect(detail).toMatchObject({
      type: "ValueError",
      value: "bad",
      kind: "error",
      state: "unresolved",
      count: 6,
      sources: ["api", "web"],
      servers: [
        { id: "s2", name: "host-s2" },
        { id: "s1", name: "host-s1" },
      ],
      releases: ["1.1", "1.0"],
      bySource: [
        { name: "api", count: 4 },
        { name: "web", count: 2 },
      ],
      hours: [
        { at: at(start), count: 5 },
        { at: at(start + 3_600_000), count: 1 },
      ],
      explanation: { version: 1, method: "frames" },
    });
    expect(detail?.sparkline.slice(-2)).toEqual([5, 1]);
    expect(detail?.firstSeen).toStartWith("2026-01-01T00:00:00");
    expect(detail?.sample).toMatchObject({
      server: { name: "host-s2" },
      release: "1.1",
      lines: ["in pay", "ValueError: bad"],
    });
  });

  test("keep few samples of many events, the first and the newest among them", async () => {
    await using rig = await openRig();
    for (let n = 0; n < 50; n++) {
      rig.log.append(...times(100, "pay"));
      await rig.settle(600);
    }
    expect(rig.counts()).toEqual({ pay: 5000 });
    const { events = [] } = rig.errors.samples(projects, rig.fingerprint("pay"), null, 50) ?? {};
    expect(events.length).toBeLessThanOrEqual(20);
    expect(events.at(-1)?.entry).toBe("1");
    expect(events[0]?.entry).toBe("5000");
  });

  test("give their samples page by page", async () => {
    await using rig = await openRig();
    rig.log.append(...times(8, "pay"));
    await rig.settle();
    const name = rig.fingerprint("pay");
    const first = rig.errors.samples(projects, name, null, 3);
    expect(first?.events.map(({ entry }) => entry)).toEqual(["8", "4", "2"]);
    const second = rig.errors.samples(projects, name, Number(first?.cursor), 3);
    expect(second?.events.map(({ entry }) => entry)).toEqual(["1"]);
    expect(second?.cursor).toBeNull();
  });

  test("are listed by filter, in any order, page by page", async () => {
    await using rig = await openRig();
    for (const [name, count, source] of [
      ["a", 3, "web"],
      ["b", 1, "web"],
      ["c", 2, "api"],
    ] as const) {
      rig.log.append(...times(count, name, { source }));
      rig.clock.advance(10);
    }
    await rig.settle();
    const names = (query: Parameters<typeof rig.groups>[0]) =>
      rig
        .groups(query)
        .map(({ culprit }) => culprit?.at(-1))
        .join("");
    expect(names({ sort: "count" })).toBe("acb");
    expect(names({ sort: "last" })).toBe("cba");
    expect(names({ source: "web", sort: "last" })).toBe("ba");
    expect(names({ server: "s7" })).toBe("");
    expect(names({ text: "CART.PY B" })).toBe("b");
    expect(names({ text: "%" })).toBe("");
    expect(names({ sinceMs: rig.clock.now() })).toBe("");
    const query = {
      projects,
      kinds: ["error"] as const,
      state: null,
      text: null,
      source: null,
      server: null,
      release: null,
      sinceMs: null,
      sort: "count" as const,
      limit: 2,
    };
    const first = rig.errors.list({ ...query, cursor: null });
    const second = rig.errors.list({ ...query, cursor: first.cursor });
    expect([...first.groups, ...second.groups].map(({ culprit }) => culprit?.at(-1)).join("")).toBe("acb");
    expect(second.cursor).toBeNull();
  });

  test("of servers that are gone are not made", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay", server: "gone" });
    await rig.settle();
    expect(rig.counts()).toEqual({});
  });
});

describe("decisions", () => {
  test("a resolved group that comes back is a regression and says so", async () => {
    await using rig = await openRig();
    const told: Told[] = [];
    rig.errors.onChange((one) => void told.push(one));
    rig.log.append({ text: "pay" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    const resolved = rig.errors.decide(projects, name, { action: "resolve" }, "ann");
    expect(resolved).toMatchObject({ state: "resolved", decidedBy: "ann", regressedAt: null });
    // one that happened before and came late
    rig.log.append({ text: "pay", atMs: rig.clock.now() - 5000 });
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "resolved", count: 2 });
    rig.log.append({ text: "pay" });
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "unresolved", count: 3, decidedBy: "ann" });
    expect(rig.errors.get(projects, name)?.regressedAt).not.toBeNull();
    const news = told.flatMap((one) => (one.kind === "group" ? one.news : []));
    expect(news).toEqual(["new", "seen", "decided", "seen", "regressed", "seen"]);
  });

  test("what is resolved in a release may go on failing in older ones", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay@1.9.0" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    rig.errors.decide(projects, name, { action: "resolve", release: "1.10.0" }, "ann");
    for (const text of ["pay@1.9.0", "pay@1.10.0-rc.1", "pay"]) rig.log.append({ text });
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "resolved", resolvedIn: "1.10.0", count: 4 });
    rig.log.append({ text: "pay@1.11.0" });
    await rig.settle();
    expect(rig.errors.get(projects, name)?.state).toBe("unresolved");
  });

  test("releases without numbers are later when they were seen later", async () => {
    await using rig = await openRig();
    for (const text of ["pay@abcdef1", "other@abcdef2"]) {
      rig.log.append({ text });
      await rig.settle();
    }
    const name = rig.fingerprint("pay");
    rig.errors.decide(projects, name, { action: "resolve", release: "abcdef2" }, "ann");
    rig.log.append({ text: "pay@abcdef1" });
    await rig.settle();
    expect(rig.errors.get(projects, name)?.state).toBe("resolved");
    rig.log.append({ text: "pay@abcdef3" });
    await rig.settle();
    expect(rig.errors.get(projects, name)?.state).toBe("unresolved");
  });

  test("what is ignored until so many more have come is back with the last of them", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    const ignored = rig.errors.decide(projects, name, { action: "ignore", count: 3 }, "ann");
    expect(ignored).toMatchObject({ state: "ignored", ignoredFor: 3 });
    rig.log.append(...times(2, "pay"));
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "ignored", ignoredFor: 1 });
    rig.log.append({ text: "pay" });
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "unresolved", ignoredFor: null, regressedAt: null });
  });

  test("what is ignored until a time is back then, even if nothing comes", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    const until = at(rig.clock.now() + 60_000);
    rig.errors.decide(projects, name, { action: "ignore", until }, "ann");
    expect(rig.groups({ state: "ignored" })).toMatchObject([{ ignoredUntil: until }]);
    rig.clock.advance(60_000);
    expect(rig.groups({ state: "ignored" })).toEqual([]);
    expect(rig.groups({ state: "unresolved" })).toMatchObject([{ ignoredUntil: null }]);
    expect(() => rig.errors.decide(projects, name, { action: "ignore", until }, "ann")).toThrow("in the past");
  });

  test("reopening takes a decision back", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    rig.errors.decide(projects, name, { action: "ignore" }, "ann");
    rig.log.append(...times(100, "pay"));
    await rig.settle();
    expect(rig.errors.get(projects, name)?.state).toBe("ignored");
    expect(rig.errors.decide(projects, name, { action: "reopen" }, "bob")).toMatchObject({
      state: "unresolved",
      decidedBy: "bob",
    });
  });

  test("merged groups are one, for what is there and for what comes", async () => {
    await using rig = await openRig();
    rig.log.append(...times(2, "pay"), ...times(3, "ship"));
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    const told: Told[] = [];
    rig.errors.onChange((one) => void told.push(one));
    expect(rig.errors.decide(projects, ship, { action: "merge", into: pay }, "ann")).toMatchObject({ count: 5 });
    expect(told[0]).toEqual({ kind: "gone", project: "p1", fingerprint: ship, mergedInto: pay });
    rig.log.append({ text: "ship" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 6 });
    // the old name leads to it
    expect(rig.errors.detail(projects, ship)).toMatchObject({
      fingerprint: pay,
      merged: [ship],
      bySource: [{ count: 6 }],
    });
    await rig.restart();
    rig.log.append({ text: "ship" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 7 });
  });

  test("a split takes events that are alike out, for what is there and for what comes", async () => {
    await using rig = await openRig();
    rig.log.append(...times(2, "pay"), ...times(3, "ship"));
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    expect(() => rig.errors.decide(projects, pay, { action: "split", sample: "1" }, "ann")).toThrow("nothing to split");
    rig.errors.decide(projects, ship, { action: "merge", into: pay }, "ann");
    const { events = [] } = rig.errors.samples(projects, pay, null, 50) ?? {};
    const sample = events.find(({ lines }) => lines[0] === "in ship");
    const made = rig.errors.decide(projects, pay, { action: "split", sample: sample?.id ?? "" }, "ann");
    expect(made).toMatchObject({ count: 3, state: "unresolved" });
    rig.log.append({ text: "ship" }, { text: "pay" });
    await rig.settle();
    expect(rig.errors.get(projects, made?.fingerprint ?? "")).toMatchObject({ count: 4, sources: ["api"] });
    expect(rig.errors.get(projects, pay)).toMatchObject({ count: 3 });
    expect(() => rig.errors.decide(projects, pay, { action: "split", sample: sample?.id ?? "" }, "ann")).toThrow(
      "no such sample",
    );
  });

  test("groups of different projects are not merged, nor those that one does not see", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    rig.log.append({ text: "ship", server: "s9x" });
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    const merge = (seen: readonly string[]) => () =>
      rig.errors.decide(seen, pay, { action: "merge", into: ship }, "ann");
    expect(merge(projects)).toThrow("different projects");
    expect(merge(["p1"])).toThrow("there is no group");
    expect(rig.errors.decide(["p2"], pay, { action: "resolve" }, "ann")).toBeUndefined();
  });
});

describe("crashes", () => {
  const tail = ["starting", "in pay", "ValueError: bad"];

  test("belong to the error that their last lines hold, whichever is told first", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    await rig.settle();
    rig.events.append(crash({ at: at(rig.clock.now()), tail }));
    await rig.settle();
    rig.events.append(crash({ at: at(rig.clock.now()), tail, exitCode: 1 }));
    rig.events.append(crash({ at: at(rig.clock.now()), tail, exitCode: null, signal: "SIGSEGV" }));
    await rig.settle();
    rig.log.append({ text: "pay" });
    await rig.settle();
    const name = rig.fingerprint("pay");
    expect(rig.errors.detail(projects, name)).toMatchObject({
      crashes: 3,
      crashSummary: [
        { how: "exited 1", count: 2 },
        { how: "killed by SIGSEGV", count: 1 },
      ],
      recentCrashes: [{ source: "api", type: "script.crashed" }, {}, {}],
    });
    expect(rig.errors.fingerprintsOf(["1", "2", "3", "4"])).toEqual(
      new Map([
        ["1", name],
        ["2", name],
        ["3", name],
      ]),
    );
  });

  test("of another source, of another time or with other last lines belong to none", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    await rig.settle();
    rig.events.append(crash({ at: at(rig.clock.now()), tail, script: "other" }));
    rig.events.append(crash({ at: at(rig.clock.now() + 120_000), tail }));
    rig.events.append(crash({ at: at(rig.clock.now()), tail: ["killed"] }));
    await rig.settle();
    expect(rig.groups()).toMatchObject([{ crashes: 0 }]);
  });

  test("belong to the last error of their lines, also when that is told after them", async () => {
    // Before, the crash was joined to what had been logged last, as soon as that was found among its lines
    await using rig = await openRig();
    rig.log.append({ text: "pay" }, { text: "ship(" });
    await rig.settle(0);
    const lines = [...tail, "in ship", "ValueError: bad"];
    rig.events.append(crash({ at: at(rig.clock.now()), tail: lines }));
    await rig.settle();
    expect(rig.errors.get(projects, rig.fingerprint("pay"))).toMatchObject({ crashes: 0 });
    expect(rig.errors.get(projects, rig.fingerprint("ship"))).toMatchObject({ crashes: 1 });
    // what follows the error was no other one
    rig.events.append(crash({ at: at(rig.clock.now()), tail: [...tail, "npm: it ended with 1"] }));
    await rig.settle();
    expect(rig.errors.get(projects, rig.fingerprint("pay"))).toMatchObject({ crashes: 0 });
    await rig.settle(5000);
    expect(rig.errors.get(projects, rig.fingerprint("pay"))).toMatchObject({ crashes: 1 });
  });

  test("go where their error goes", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" }, { text: "ship", source: "web" });
    rig.events.append(crash({ at: at(rig.clock.now()), tail }));
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    rig.errors.decide(projects, pay, { action: "merge", into: ship }, "ann");
    expect(rig.errors.get(projects, ship)).toMatchObject({ crashes: 1 });
  });
});

describe("a restart", () => {
  test("goes on where it was, and reads what came meanwhile", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" }, { text: "ship(" });
    await rig.settle(500);
    await rig.restart();
    rig.log.append({ text: "ship)" }, { text: "pay" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 2, ship: 1 });
  });

  test("after a log that was brought back from a backup goes on with what comes", async () => {
    await using rig = await openRig();
    rig.log.append(...times(5, "pay"));
    await rig.settle();
    (rig.log.lines as Line[]).length = 2;
    await rig.kill();
    rig.log.append(...times(4, "pay"));
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 9 });
  });

  test("by a kill at any moment counts each event once", async () => {
    const source = fc.constantFrom("api", "web", "job");
    const name = fc.constantFrom("pay", "ship", "quiet");
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("line" as const), name, source, mark: fc.constantFrom("", "(", ")") }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(10, 100, 600) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("kill" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        // what happens without kills: a model of the assembly in the rig
        const expected: Record<string, number> = {};
        const open = new Map<string, string>();
        const add = (key: string | undefined) => {
          if (key !== undefined) expected[key] = (expected[key] ?? 0) + 1;
        };
        await using rig = await openRig();
        await rig.settle(0);
        for (const one of steps) {
          if (one.do === "line") {
            rig.log.append({ text: one.name + one.mark, source: one.source });
            if (one.name === "quiet") continue;
            const before = open.get(one.source);
            if (one.mark === "(") {
              add(before);
              open.set(one.source, one.name);
            } else if (one.mark === ")" && before !== undefined) {
              add(before);
              open.delete(one.source);
            } else add(one.name);
          } else if (one.do === "wait") {
            // shorter than what ends an event by the clock
            rig.clock.advance(one.ms % 500);
          } else if (one.do === "kill") await rig.kill();
          else await rig.restart();
        }
        for (const key of open.values()) add(key);
        await rig.settle(5000);
        expect(rig.counts()).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  }, 60_000);
});

describe("following", () => {
  test("gives the same groups however lines are cut into deliveries", async () => {
    const name = fc.constantFrom("pay", "ship", "send", "quiet");
    const line = fc.record({ name, mark: fc.constantFrom("", "(", ")"), source: fc.constantFrom("api", "web") });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), fc.array(fc.nat(5), { maxLength: 30 }), async (all, cuts) => {
        const lines = all.map(({ name: text, mark, source }) => ({ text: text + mark, source }));
        await using whole = await openRig();
        await using parts = await openRig();
        if (lines.length > 0) whole.log.append(...lines);
        for (let at = 0; at < lines.length;) {
          const end = at + 1 + (cuts.pop() ?? 0);
          parts.log.append(...lines.slice(at, end));
          at = end;
        }
        for (const rig of [whole, parts]) await rig.settle(3000);
        const seen = (rig: typeof whole) => rig.groups().map(({ fingerprint, count }) => [fingerprint, count]);
        expect(seen(parts).sort(byText)).toEqual(seen(whole).sort(byText));
      }),
      { numRuns: 15 },
    );
  });

  test("waits for a store that can't write, says so once, and loses nothing", async () => {
    await using rig = await openRig();
    await rig.settle(0);
    const real = { ...rig.store };
    Object.assign(rig.store, {
      write: () => {
        throw new Error("the disk is full");
      },
    });
    for (let n = 0; n < 20; n++) {
      // more groups than may wait
      rig.log.append(...Array.from({ length: 100 }, (_, i) => ({ text: `f${n * 100 + i}` })));
      rig.clock.advance(600);
    }
    expect(rig.errors.figures().behind).toBeGreaterThan(0);
    expect(rig.said).toEqual(["can't write error groups, they are kept in memory: the disk is full"]);
    expect(() => rig.errors.decide(projects, "v1:x", { action: "reopen" }, "ann")).toThrow("can't be written");
    Object.assign(rig.store, real);
    await rig.settle(5000, 200);
    expect(Object.values(rig.counts())).toEqual(Array.from({ length: 1000 }, () => 1));
    expect(rig.store.sizes().groups).toBe(2000);
  });

  test("leaves lines where they are when they cost too much time, and reads them later", async () => {
    await using rig = await openRig();
    await rig.settle(0);
    const real = { ...rig.store };
    const realClock = { ...rig.clock };
    // each new group takes a long time, in which nothing else has its turn
    let spentMs = 0;
    Object.assign(rig.clock, { monotonic: () => realClock.monotonic() + spentMs });
    Object.assign(rig.store, {
      find(...names: Parameters<typeof real.find>) {
        spentMs += 300;
        return real.find(...names);
      },
    });
    for (let n = 0; n < 10; n++) rig.log.append({ text: `f${n}` });
    expect(rig.errors.figures().behind).toBeGreaterThan(0);
    await rig.settle(5000, 200);
    expect(Object.keys(rig.counts())).toHaveLength(10);
    await rig.settle(0);
    // nothing is new now, so that it keeps up
    rig.log.append({ text: "f1" });
    expect(rig.errors.figures().behind).toBe(0);
  });
});

describe("retention", () => {
  const dayMs = 86_400_000;
  const kept = (beforeMs: number) => projects.map((id) => ({ id, beforeMs }));

  test("lets samples and hours go with the logs, and keeps the count", async () => {
    await using rig = await openRig();
    rig.log.append(...times(4, "pay"));
    await rig.settle();
    rig.clock.advance(20 * dayMs);
    rig.log.append({ text: "pay" });
    await rig.settle();
    rig.errors.prune(kept(rig.clock.now() - 14 * dayMs));
    const detail = rig.errors.detail(projects, rig.fingerprint("pay"));
    expect(detail).toMatchObject({ count: 5, bySource: [{ name: "api", count: 5 }] });
    expect(detail?.hours.map(({ count }) => count)).toEqual([1]);
    expect(rig.store.sizes().samples).toBe(1);
  });

  test("forgets what nobody has decided about after 90 days, and decisions after 400", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" }, { text: "ship" });
    await rig.settle();
    rig.errors.decide(projects, rig.fingerprint("pay"), { action: "ignore" }, "ann");
    rig.clock.advance(91 * dayMs);
    expect(rig.errors.prune(kept(rig.clock.now() - 14 * dayMs))).toBe(1);
    expect(rig.counts()).toEqual({ pay: 1 });
    rig.log.append({ text: "ship" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 1, ship: 1 });
    rig.clock.advance(401 * dayMs);
    expect(rig.errors.prune(kept(rig.clock.now() - 14 * dayMs))).toBe(2);
    expect(rig.store.sizes()).toEqual({ groups: 0, samples: 0 });
  });

  test("forgets groups of projects that are gone", async () => {
    await using rig = await openRig();
    rig.log.append({ text: "pay" });
    rig.log.append({ text: "pay", server: "s9x" });
    await rig.settle();
    rig.errors.prune([{ id: "p2", beforeMs: 0 }]);
    expect(rig.groups().map(({ project }) => project)).toEqual(["p2"]);
  });
});
