/** What a project may have at most. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openRig, projects } from "./rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

describe("a source that prints another error each time", () => {
  test("has groups up to a limit; the rest is counted in one that says so, until those seen once have made room", async () => {
    await using rig = await openRig();
    const sum = () => rig.groups({ limit: 20_000 }).reduce((all, { count }) => all + count, 0);
    rig.log.append({ text: "pay" }, { text: "pay" }, { text: "ship" });
    await rig.settle();
    rig.errors.decide(projects, rig.fingerprint("ship"), { action: "resolve" }, "ann");
    rig.log.append(...Array.from({ length: 10_050 }, (_, n) => ({ text: `e${n}` })));
    await rig.settle();
    // those that are known are still told apart, and so is another project
    rig.log.append({ text: "pay" }, { text: "e7" });
    rig.log.append({ text: "send", server: "sx" });
    await rig.settle();
    expect(rig.store.countGroups("p1")).toBe(10_001);
    expect(rig.store.countGroups("p2")).toBe(1);
    expect(sum()).toBe(10_056);
    const [rest] = rig.groups({ text: "(more different ones" });
    expect(rest).toMatchObject({ kind: "error", type: null, culprit: null, count: 52 });
    expect(rig.errors.detail(projects, rest?.fingerprint ?? "")).toMatchObject({
      explanation: { decided: [{ what: "there was no room", value: "the project has 10000 groups already" }] },
      sample: { lines: ["in e10049", "ValueError: bad"] },
    });

    const gone = rig.errors.prune(["p1", "p2"].map((id) => ({ id, beforeMs: 0 })));
    expect([gone, rig.store.countGroups("p1")]).toEqual([1001, 9000]);
    for (const name of ["pay", "ship", "e7"]) expect(rig.groups({ text: ` ${name}` }).length).toBeGreaterThan(0);
    rig.log.append({ text: "anew" });
    await rig.settle();
    expect(rig.groups({ text: " anew" })).toMatchObject([{ count: 1 }]);
    await rig.kill();
    expect(rig.groups({ text: "(more different ones" })).toMatchObject([{ count: 52 }]);
  });

  test("has releases up to a limit", async () => {
    await using rig = await openRig();
    rig.log.append(...Array.from({ length: 5010 }, (_, n) => ({ text: `pay@1.${n}` })));
    await rig.settle();
    rig.log.append({ text: "pay@1.7" });
    await rig.settle();
    expect(rig.store.countReleases("p1")).toBe(5000);
    const { byRelease = [] } = rig.errors.detail(projects, rig.fingerprint("pay")) ?? {};
    expect(byRelease.length).toBe(200);
    expect(byRelease[0]).toMatchObject({ name: "1.7", count: 2 });
    expect(rig.counts()).toEqual({ pay: 5011 });
    rig.errors.prune([{ id: "p1", beforeMs: 0 }]);
    expect(rig.store.countReleases("p1")).toBe(4500);
  });
});
