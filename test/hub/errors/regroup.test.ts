/** The rules of an older version are played by fingerprints that are changed in the file. */
import type { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import type { ErrorGroup } from "#src/protocol/error-group.ts";
import { crash } from "#test/hub/kit/hub.ts";
import { failureOf } from "#test/kit/failure.ts";
import { type Line, openRig, projects } from "./rig.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const times = (count: number, text: string, rest: Partial<Line> = {}): Line[] =>
  Array.from({ length: count }, () => ({ text, ...rest }));
const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** What older rules would have called a group. */
const older = (fingerprint: string) => fingerprint.replace(/^v1:./, `v0:${letter()}`);
/** Another one for each set of rules. */
let rules = 0;
const letter = () => String.fromCharCode(97 + (rules % 26));

function renameAll(database: Database): void {
  rules++;
  for (const [table, column] of [
    ["groups", "fingerprint"],
    ["routes", "fingerprint"],
    ["variants", "fingerprint"],
  ]) {
    database.run(
      `UPDATE ${table} SET ${column} = 'v0:${letter()}' || substr(${column}, 5) WHERE ${column} LIKE 'v1:%'`,
    );
  }
}

const told = ({ culprit, count, state, decidedBy }: ErrorGroup) => [
  culprit?.split(" ").at(-1),
  count,
  state,
  decidedBy,
];

describe("grouping anew", () => {
  test("by the same rules changes nothing", async () => {
    await using rig = await openRig();
    rig.log.append(...times(9, "pay"), ...times(5, "ship"), ...times(3, "send"), ...times(2, "mail"));
    await rig.settle();
    rig.errors.decide(projects, rig.fingerprint("pay"), { action: "ignore" }, "ann");
    rig.errors.decide(projects, rig.fingerprint("mail"), { action: "merge", into: rig.fingerprint("send") }, "ann");
    const before = rig.groups();
    expect(await rig.regroup()).toMatchObject({ lines: 19, events: 19, made: 0, absorbed: 0 });
    expect(rig.groups()).toEqual(before);
    rig.log.append({ text: "mail" }, { text: "pay" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 10, ship: 5, send: 6 });
  });

  test("by other rules keeps counts and decisions, and the old name leads on", async () => {
    await using rig = await openRig();
    rig.log.append(...times(9, "pay"), ...times(5, "ship"));
    await rig.settle();
    const name = rig.fingerprint("pay");
    rig.errors.decide(projects, name, { action: "resolve" }, "ann");
    await rig.rewrite(renameAll);
    expect(await rig.regroup()).toMatchObject({ made: 0, absorbed: 0 });
    expect(rig.groups().map(told).sort(byText)).toEqual([
      ["pay", 9, "resolved", "ann"],
      ["ship", 5, "unresolved", null],
    ]);
    expect(rig.errors.get(projects, older(name))?.fingerprint).toBe(name);
    expect(rig.errors.detail(projects, name)).toMatchObject({ merged: [older(name)], bySource: [{ count: 9 }] });
    rig.log.append({ text: "pay" });
    await rig.settle();
    expect(rig.errors.get(projects, name)).toMatchObject({ state: "unresolved", count: 10 });
  });

  test("takes apart what older rules had as one; all of it is ignored if that was", async () => {
    await using rig = await openRig();
    rig.log.append(...times(9, "pay"), ...times(5, "ship"));
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    rig.errors.decide(projects, ship, { action: "merge", into: pay }, "ann");
    rig.errors.decide(projects, pay, { action: "ignore", count: 100 }, "ann");
    await rig.rewrite((database) => {
      renameAll(database);
      database.run("DELETE FROM routes WHERE fingerprint = ?", [older(ship)]);
      database.run("UPDATE variants SET variant = 'other', fingerprint = ? WHERE fingerprint = ?", [
        older(pay),
        older(ship),
      ]);
    });
    expect(await rig.regroup()).toMatchObject({ made: 1 });
    expect(rig.groups().map(told).sort(byText)).toEqual([
      ["pay", 9, "ignored", "ann"],
      ["ship", 5, "ignored", "ann"],
    ]);
    expect(rig.groups().map(({ ignoredFor }) => ignoredFor)).toEqual([100, 100]);
  });

  test("puts together what older rules had as two; the decision about the most of it counts", async () => {
    await using rig = await openRig();
    rig.log.append(...times(40, "pay"));
    await rig.settle();
    const name = rig.fingerprint("pay");
    let half = "";
    await rig.rewrite((database) => {
      renameAll(database);
      half = older(name).replace(/.$/, name.endsWith("a") ? "b" : "a");
      // the newer samples and an eighth of the count are another group's
      database.run(
        "INSERT INTO groups SELECT 99, project, ?, kind, level, format, type, value, culprit, explanation, first_ms, last_ms, 5, 'ignored', 1, 'bob', NULL, NULL, NULL, NULL FROM groups",
        [half],
      );
      database.run("INSERT INTO routes VALUES (?, 99)", [half]);
      database.run("INSERT INTO variants SELECT 99, ?, variant, 99, 5, first_ms, last_ms FROM variants", [half]);
      database.run("UPDATE groups SET count = count - 5 WHERE id <> 99");
      database.run("INSERT INTO counts SELECT 99, hour, server, source, release, 5, last_ms FROM counts");
      database.run("UPDATE counts SET count = count - 5 WHERE variant <> 99");
      database.run("UPDATE samples SET variant = 99, group_id = 99 WHERE number >= 32");
    });
    expect(rig.groups()).toHaveLength(2);
    expect(await rig.regroup()).toMatchObject({ absorbed: 1 });
    expect(rig.groups().map(told)).toEqual([["pay", 40, "unresolved", null]]);
    expect(rig.errors.get(projects, half)?.fingerprint).toBe(name);
  });

  test("keeps what somebody has split off, and crashes", async () => {
    await using rig = await openRig();
    rig.log.append(...times(4, "pay"), ...times(3, "ship"));
    await rig.settle();
    rig.events.append(crash({ at: new Date(rig.clock.now()).toISOString(), tail: ["in ship", "ValueError: bad"] }));
    await rig.settle();
    const [pay, ship] = [rig.fingerprint("pay"), rig.fingerprint("ship")];
    rig.errors.decide(projects, ship, { action: "merge", into: pay }, "ann");
    const { events = [] } = rig.errors.samples(projects, pay, null, 50) ?? {};
    const sample = events.find(({ lines }) => lines[0] === "in ship")?.id ?? "";
    const made = rig.errors.decide(projects, pay, { action: "split", sample }, "ann");
    rig.errors.decide(projects, made?.fingerprint ?? "", { action: "resolve" }, "bob");
    for (const change of [() => undefined, renameAll]) {
      await rig.rewrite(change);
      await rig.regroup();
      expect(rig.groups().map(told).sort(byText)).toEqual([
        ["pay", 3, "resolved", "bob"],
        ["pay", 4, "unresolved", null],
      ]);
      expect(rig.groups({ state: "resolved" })).toMatchObject([{ crashes: 1 }]);
    }
  });

  test("keeps the counts of hours whose lines are gone, and of hours before", async () => {
    await using rig = await openRig();
    const hour = 3_600_000;
    for (let n = 0; n < 4; n++) {
      rig.log.append(...times(10, "pay"));
      await rig.settle();
      rig.clock.advance(hour);
    }
    const now = rig.clock.now();
    await rig.rewrite(renameAll);
    const extent = rig.log.extentSince;
    // the first hour and half of the second are gone
    Object.assign(rig.log, {
      extentSince: async (fromMs: number) => ({
        after: Math.max(15, (await extent(fromMs)).after),
        oldestMs: new Map([["s1", now - 3 * hour]]),
      }),
    });
    await rig.regroup(now - 10 * hour);
    expect(rig.counts()).toEqual({ pay: 40 });
    await rig.regroup(now - 2 * hour);
    expect(rig.counts()).toEqual({ pay: 40 });
    const detail = rig.errors.detail(projects, rig.fingerprint("pay"));
    expect(detail?.hours.map(({ count }) => count)).toEqual([10, 10, 10, 10]);
  });

  test("goes on while lines come, and is done once at a time", async () => {
    await using rig = await openRig();
    rig.log.append(...times(300, "pay"), { text: "ship(" });
    await rig.settle(0);
    const done = rig.errors.regroup(0, () => undefined);
    expect(await failureOf(rig.errors.regroup(0, () => undefined))).toMatchObject({ code: "conflict" });
    for (let n = 0; n < 100; n++) {
      rig.log.append({ text: "pay" });
      rig.clock.advance(1);
      await Promise.resolve();
    }
    const advancing = setInterval(() => rig.clock.advance(1), 1);
    await done;
    clearInterval(advancing);
    rig.log.append({ text: "ship)" }, { text: "pay" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 401, ship: 1 });
    await rig.kill();
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 401, ship: 1 });
    expect(rig.said).toEqual([]);
  });

  test("counts what has ended by the clock once, on a server whose oldest line is of this hour", async () => {
    // Before, what the new reading still had open at the change was counted beside the old counts: 4 became 6
    await using rig = await openRig();
    rig.log.append(...times(2, "pay"), { text: "ship(", source: "a" }, { text: "send(", source: "b" });
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 2, ship: 1, send: 1 });
    rig.log.append({ text: "mail(", source: "c" });
    await rig.settle(0);
    await rig.regroup();
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 2, ship: 1, send: 1, mail: 1 });
    rig.log.append({ text: "pay" });
    await rig.kill();
    await rig.settle();
    expect(rig.counts()).toEqual({ pay: 3, ship: 1, send: 1, mail: 1 });
  });

  test("that is ended by the hub's end has changed nothing", async () => {
    await using rig = await openRig();
    rig.log.append(...times(300, "pay"));
    await rig.settle();
    const before = rig.groups();
    const done = rig.errors.regroup(0, () => undefined);
    await rig.restart();
    expect(await failureOf(done)).toMatchObject({ message: "the hub stops" });
    expect(rig.groups()).toEqual(before);
    expect(await rig.regroup()).toMatchObject({ events: 300 });
  });

  test("of any lines after any decisions keeps every count", async () => {
    const name = fc.constantFrom("a", "b", "c", "d");
    const step = fc.oneof(
      fc.record({
        do: fc.constant("lines" as const),
        name,
        count: fc.integer({ min: 1, max: 5 }),
        server: fc.constantFrom("s1", "s2", "sx"),
      }),
      fc.record({ do: fc.constant("open" as const), name, source: fc.constantFrom("x", "y") }),
      fc.record({ do: fc.constant("merge" as const), name, into: name }),
      fc.record({ do: fc.constant("ignore" as const), name }),
      fc.record({ do: fc.constant("regroup" as const), older: fc.boolean() }),
      fc.record({ do: fc.constant("wait" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        await using rig = await openRig();
        let total = 0;
        const ignored = new Set<string>();
        for (const one of steps) {
          if (one.do === "lines") {
            rig.log.append(...times(one.count, one.name, { server: one.server }));
            total += one.count;
          } else if (one.do === "open") {
            rig.log.append({ text: `${one.name}(`, source: one.source });
            total++;
          } else if (one.do === "wait") rig.clock.advance(1_800_000);
          else {
            await rig.settle();
            const find = (wanted: string) =>
              rig.groups().find(({ culprit, project }) => project === "p1" && culprit?.endsWith(` ${wanted}`));
            if (one.do === "merge") {
              const [from, into] = [find(one.name), find(one.into)];
              if (from !== undefined && into !== undefined && from.fingerprint !== into.fingerprint) {
                rig.errors.decide(projects, from.fingerprint, { action: "merge", into: into.fingerprint }, "ann");
                ignored.delete(one.name);
              }
            } else if (one.do === "ignore") {
              const found = find(one.name);
              if (found === undefined) continue;
              rig.errors.decide(projects, found.fingerprint, { action: "ignore" }, "ann");
              ignored.add(one.name);
            } else {
              if (one.older) await rig.rewrite(renameAll);
              const before = rig.groups().map(told).sort(byText);
              await rig.regroup();
              expect(rig.groups().map(told).sort(byText)).toEqual(before);
            }
          }
        }
        await rig.settle();
        expect(rig.groups().reduce((sum, { count }) => sum + count, 0)).toBe(total);
        for (const { state, culprit, project } of rig.groups()) {
          expect([culprit, state]).toEqual([
            culprit,
            project === "p1" && ignored.has(culprit?.split(" ").at(-1) ?? "") ? "ignored" : "unresolved",
          ]);
        }
        expect(rig.said).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});
