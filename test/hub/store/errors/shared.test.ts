import { cpSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openErrorStore } from "#src/hub/store/errors/errors.ts";
import type { ErrorLogTables } from "#src/hub/store/errors/shared-tables.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { group, nothing, openHubs } from "./shared-kit.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("error groups of several hubs (needs PostgreSQL)", () => {
  test("what the one that groups has done, the others have", async () => {
    await using hubs = await openHubs();
    const [a, b] = [await hubs.hub(), await hubs.hub()];
    await a.begin();
    a.shared.store.write({ ...nothing, groups: [group(1)], resume: "one" });
    a.shared.tell({ kind: "group", news: ["new"] });
    a.shared.store.write({ ...nothing, groups: [group(2)], resume: "two" });
    await a.shared.settled();
    const [first, second] = await hubs.together(a, b);
    expect(second).toEqual(first);
    expect(b.shared.store.resume()).toBe("two");
    expect(b.shared.store.group("v1:2")).toEqual(group(2));
    expect(b.told).toEqual([[{ kind: "group", news: ["new"] }]]);
    expect(a.told).toEqual([]);
    expect(() => b.shared.store.write(nothing)).toThrow("another hub groups errors");
    expect([...a.said, ...b.said]).toEqual([]);
  });

  test("a hub that was killed before others had it throws it away", async () => {
    await using hubs = await openHubs();
    const [a, b] = [await hubs.hub(), await hubs.hub()];
    await a.begin();
    a.shared.store.write({ ...nothing, groups: [group(1)], resume: "one" });
    await a.shared.settled();
    const locked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const queries = hubs.postgres.queries<ErrorLogTables>();
    const holding = queries.transaction().execute(async (transaction) => {
      await transaction.selectFrom("error_head").select("id").forUpdate().execute();
      locked.resolve();
      await release.promise;
    });
    await locked.promise;
    // the next turn is about to begin: what is done now comes too late for the log, and nobody knows it yet
    const beginning = b.begin();
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    const waits = async (count: number) =>
      await until(async () => (await hubs.database.query(waiting)).length === count, `${count} waits`);
    await waits(1);
    a.shared.store.write({ ...nothing, groups: [group(2)], resume: "lost" });
    // as it is on the disk when it is killed now
    const killed = hubs.folder();
    cpSync(a.folder, killed, { recursive: true });
    await waits(2);
    release.resolve();
    await Promise.all([holding, beginning]);
    b.shared.store.write({ ...nothing, groups: [group(2, { value: "found again" })], resume: "two" });
    await b.shared.settled();
    const again = await hubs.revive(killed);
    expect(again.shared.store.resume()).toBe("two");
    await until(() => a.overs === 1);
    const [one, two, three] = await hubs.together(a, b, again);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    expect(a.shared.store.group("v1:2")?.value).toBe("found again");
    expect(a.told).toContain(null);
  });

  test("an old turn can add nothing once another has begun", async () => {
    await using hubs = await openHubs();
    const [a, b] = [await hubs.hub(), await hubs.hub()];
    await a.begin();
    hubs.signals.silence(true);
    a.shared.store.write({ ...nothing, groups: [group(1)], resume: "late" });
    await b.begin();
    hubs.signals.silence(false);
    await until(() => a.overs === 1);
    expect(() => a.shared.store.write(nothing)).toThrow("another hub");
    // what it has added before is there for all, what it has not for nobody
    await hubs.together(a, b);
    expect(a.shared.store.resume()).toBe(b.shared.store.resume());
    await a.begin();
    a.shared.store.write({ ...nothing, groups: [group(1)], resume: "again" });
    await a.shared.settled();
    const [one, two] = await hubs.together(a, b);
    expect(two).toEqual(one);
  });

  test("a new hub takes a snapshot and what came after it", async () => {
    await using hubs = await openHubs();
    const a = await hubs.hub(2000);
    await a.begin();
    const snapshots = async () =>
      Number((await hubs.database.query("SELECT snapshot_position FROM error_head"))[0]?.["snapshot_position"]);
    for (let id = 1; id <= 60; id++) {
      const body = crypto.getRandomValues(new Uint8Array(300));
      const sample = { group: id, variant: id, atMs: id, position: id, number: 1, last: true, body };
      const count = { variant: id, hour: 5, server: `s${id % 7}`, source: "api", release: "", count: 2, lastMs: 9 };
      a.shared.store.write({ ...nothing, groups: [group(id)], samples: [sample], counts: [count], resume: `${id}` });
      await a.shared.settled();
    }
    await until(async () => (await snapshots()) > 30, "a second snapshot");
    const [kept] = await hubs.database.query("SELECT min(position) AS first FROM error_log");
    expect(Number(kept?.["first"])).toBeGreaterThan(1);
    const b = await hubs.hub();
    const [one, two] = await hubs.together(a, b);
    expect(two).toEqual(one);
    // and one whose copy is older than the log
    const old = await hubs.hub();
    expect(old.told).toEqual([]);
    expect((await hubs.together(old))[0]).toEqual(one);
  });

  test("a hub answers what another one asks, once, with what was done for it", async () => {
    await using hubs = await openHubs();
    const [a, b] = [await hubs.hub(), await hubs.hub()];
    let times = 0;
    await a.begin((body) => {
      times++;
      if (body === "no") return "refused";
      a.shared.store.write({ ...nothing, groups: [group(1, { value: body })] });
      return `did ${body}`;
    });
    expect(await b.shared.ask("this")).toBe("did this");
    expect(b.shared.store.group("v1:1")?.value).toBe("this");
    expect(await b.shared.ask("no")).toBe("refused");
    const answers = await Promise.all(["1", "2", "3", "no"].map((body) => b.shared.ask(body)));
    expect(answers).toEqual(["did 1", "did 2", "did 3", "refused"]);
    expect(times).toBe(6);
    expect(await hubs.database.query("SELECT * FROM error_requests")).toEqual([]);
  });

  test("everything made anew reaches the others as a whole", async () => {
    await using hubs = await openHubs();
    const [a, b] = [await hubs.hub(), await hubs.hub()];
    await a.begin();
    a.shared.store.write({ ...nothing, groups: [group(1)], resume: "one" });
    await a.shared.settled();
    await hubs.together(a, b);
    const folder = hubs.folder();
    const staging = await openErrorStore(folder, "made.db");
    staging.close();
    a.shared.store.takeOver({
      groups: [],
      renamed: [],
      absorbed: [],
      variants: [],
      moved: [],
      routes: [],
      found: [],
      staging: join(folder, "made.db"),
      fromHours: new Map(),
      resume: "anew",
    });
    a.shared.tell({ kind: "all" });
    a.shared.store.write({ ...nothing, groups: [group(7)], resume: "after" });
    await a.shared.settled();
    const [one, two] = await hubs.together(a, b);
    expect(two).toEqual(one);
    expect(b.shared.store.group("v1:1")).toBeNull();
    expect(b.told).toContain(null);
  });
});
