/** The state of several hubs on one real Postgres. */
import { SQL } from "bun";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openCluster } from "#src/hub/store/cluster/cluster.ts";
import type { Change } from "#src/hub/store/cluster/port.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { postgresMigrations } from "#src/hub/store/postgres/migrations.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Fault } from "#src/protocol/fault.ts";
import { project, server } from "#test/hub/store/open.ts";
import { failureOf } from "#test/kit/failure.ts";
import { freshDatabase, havePostgres, sharedPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { openHub } from "./hubs.ts";
import { codeOf, started, token } from "./things.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("hubs on one database (needs PostgreSQL)", () => {
  test("make its tables once, however many start at the same time", async () => {
    await using database = await freshDatabase();
    const hubs = await Promise.all([1, 2, 3, 4].map(() => openHub(database.url)));
    await hubs[0]?.state.putProject(project("p1"));
    for (const { state } of hubs) expect((await state.projects()).map(({ id }) => id)).toEqual(["p1"]);
    await Promise.all(hubs.map((hub) => hub[Symbol.asyncDispose]()));
    const run = await database.query("SELECT name FROM kysely_migration ORDER BY name");
    expect(run.map(({ name }) => name)).toEqual(Object.keys(postgresMigrations).toSorted());
  });

  test("leave a database alone that a newer version has changed", async () => {
    await using database = await freshDatabase();
    await (await openHub(database.url))[Symbol.asyncDispose]();
    await database.query("INSERT INTO kysely_migration VALUES ('9999-of-tomorrow', '2099-01-01T00:00:00.000Z')");
    const error = await failureOf(openHub(database.url));
    expect(error).toMatchObject({ code: "failed", hint: expect.stringContaining("newer Orion") });
  });

  test("change nothing when a migration fails", async () => {
    await using database = await freshDatabase();
    // in the way of a table of the last ones
    await database.query("CREATE TABLE log_head (n int)");
    expect(await codeOf(openHub(database.url))).toBe("failed");
    expect(await database.query("SELECT name FROM kysely_migration")).toEqual([]);
    expect(await database.query("SELECT 1 FROM pg_tables WHERE tablename = 'servers'")).toEqual([]);
    await database.query("DROP TABLE log_head");
    await (await openHub(database.url))[Symbol.asyncDispose]();
  });

  test("give one name, and one use of a token, to one of them", async () => {
    await using database = await freshDatabase();
    await using one = await openHub(database.url);
    await using two = await openHub(database.url);
    const both = [one.state, two.state];
    await one.state.putProject(project("p1", { organizationId: "o", name: "Web" }));
    await one.state.putToken(token("t", 5));
    const settled = async (promises: readonly Promise<unknown>[]) =>
      (await Promise.allSettled(promises)).map((result) =>
        result.status === "fulfilled" ? "done" : (result.reason as Fault).code,
      );
    for (let n = 0; n < 5; n++) {
      const hostname = `web-${n}`;
      const servers = both.map((state, at) => state.putServer(server(`${n}-${at}`, { hostname })));
      expect((await settled(servers)).toSorted()).toEqual(["conflict", "done"]);
      const names = [`db-${n}`, `DB-${n}`];
      const projects = both.map((state, at) =>
        state.putProject(project(`p${n}-${at}`, { organizationId: "o", name: names[at] ?? "" })),
      );
      expect((await settled(projects)).toSorted()).toEqual(["conflict", "done"]);
    }
    const spent = await Promise.all(Array.from({ length: 12 }, (_, n) => both[n % 2]!.spendToken("t")));
    expect(new Set(spent)).toEqual(new Set([1, 2, 3, 4, 5, null]));
    expect(spent.filter((uses) => uses !== null).length).toBe(5);
    // what another hub has removed meanwhile
    await one.state.putProject(project("gone"));
    await two.state.deleteProject("gone");
    expect(await codeOf(one.state.putServer(server("x", { projectId: "gone" })))).toBe("conflict");
  });

  test("give a job to one of many that want it", async () => {
    await using database = await freshDatabase();
    const hubs = await Promise.all([1, 2, 3].map(() => openHub(database.url)));
    const [{ state }] = hubs as [(typeof hubs)[0]];
    await state.putProject(project("p1"));
    await state.putServer(server("a"));
    for (let n = 0; n < 10; n++) {
      const id = `j${n}`;
      await state.putJob({ id, serverId: "a", over: false, createdAtMs: n, body: "{}" });
      const claims = await Promise.all(
        hubs.map((hub, at) =>
          hub.state.claimJob(id, `hub-${at}`).catch((error: Fault) => error.code === "conflict" && false),
        ),
      );
      expect(claims.filter(Boolean).length).toBe(1);
      const holder = `hub-${claims.indexOf(true)}`;
      expect((await state.job(id))?.holder).toBe(holder);
      await state.putJob({ id, serverId: "a", over: true, createdAtMs: n, body: "{}", holder });
    }
    await Promise.all(hubs.map((hub) => hub[Symbol.asyncDispose]()));
  });

  test("begin again when each waits for what the other has written", async () => {
    await using database = await freshDatabase();
    await using hub = await openHub(database.url);
    await hub.state.putProject(project("p1"));
    for (const id of ["a", "b", "c"]) await hub.state.putServer(server(id));
    const { socket, port } = await sharedPostgres();
    const place = { adapter: "postgres", path: socket, port, username: "postgres", database: database.name } as const;
    await using client = new SQL({ ...place, max: 2 });
    using first = await client.reserve();
    using other = await client.reserve();
    await first.unsafe("BEGIN");
    await first.unsafe("UPDATE servers SET version = 'first' WHERE id = 'b'");
    // the one that gives way is whoever looks for the others first: this one never does
    await other.unsafe("SET deadlock_timeout = '10min'");
    await other.unsafe("BEGIN");
    await other.unsafe("UPDATE servers SET version = 'other' WHERE id = 'c'");
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    const wait = (count: number) =>
      until(async () => (await database.query(waiting)).length === count, `${count} waits`);
    // in one transaction: it has a, and waits for b
    const version = "ours";
    const writing = Promise.all(["a", "b", "c"].map((id) => hub.state.putServer(server(id, { version }))));
    await wait(1);
    // this is answered only if the hub gives way, once it waits for c
    const answered = other.unsafe("UPDATE servers SET version = 'other' WHERE id = 'a'").execute();
    await wait(2);
    await first.unsafe("COMMIT");
    await answered;
    await other.unsafe("COMMIT");
    await writing;
    expect((await hub.state.servers()).map((row) => row.version)).toEqual([version, version, version]);
    expect(hub.warnings).toEqual([]);
  });

  test("see the events of all in one order, and whoever follows it misses none", async () => {
    await using database = await freshDatabase();
    const hubs = await Promise.all([1, 2, 3].map(() => openHub(database.url)));
    await using reader = await openHub(database.url);
    const perHub = 60;
    let writing = true;
    const follow = async () => {
      const seen: string[] = [];
      let position = 0;
      for (let last = false; ;) {
        const fresh = await reader.state.eventsAfter(position, 7);
        for (const { id, serverId, event } of fresh) {
          expect(Number(id)).toBe(position + 1);
          position = Number(id);
          seen.push(`${serverId} ${"reason" in event ? event.reason : ""}`);
        }
        if (fresh.length > 0) continue;
        if (last) return seen;
        last = !writing;
      }
    };
    const following = follow();
    const write = async (hub: (typeof hubs)[0], at: number) => {
      for (let n = 0; n < perHub; n += 3) {
        // some of them in one transaction, and one that takes its positions back
        const bad = hub.state.putServer(server("x", { projectId: "none" }));
        const some = [n, n + 1, n + 2].map((each) =>
          hub.state.appendEvents({ serverId: `s${at}`, batchId: null, events: [{ ...started(each), seq: each }] }),
        );
        await Promise.all([...some, codeOf(bad)]);
      }
    };
    await Promise.all(hubs.map(write));
    writing = false;
    const seen = await following;
    expect(seen.length).toBe(3 * perHub);
    for (const at of hubs.keys()) {
      const own = seen.filter((one) => one.startsWith(`s${at} `));
      expect(own).toEqual(Array.from({ length: perHub }, (_, n) => `s${at} boot ${n}`));
    }
    await Promise.all(hubs.map((hub) => hub[Symbol.asyncDispose]()));
  });

  test("take a delivery that is sent to two of them once", async () => {
    await using database = await freshDatabase();
    await using one = await openHub(database.url);
    await using two = await openHub(database.url);
    const both = [one.state, two.state];
    for (let n = 0; n < 20; n++) {
      const events = [started(n), started(n)].map((event, at) => ({ ...event, seq: n * 2 + at }));
      const appended = await Promise.all(
        both.map((state) => state.appendEvents({ serverId: "a", batchId: `b${n % 3 === 0 ? n : ""}`, events })),
      );
      const accepted = appended.reduce((sum, one) => sum + one.accepted, 0);
      expect(accepted).toBe(n % 3 === 0 || n === 1 ? 2 : 0);
      expect(appended.some((one) => one.accepted === 0)).toBe(true);
    }
  });

  test("tell one another what they change, and wake those who follow events", async () => {
    await using database = await freshDatabase();
    const join = async () => {
      const log = { info: () => undefined, warn: () => undefined };
      const postgres = await openPostgres(database.url, { clock: systemClock, log });
      const cluster = await openCluster({ postgres, clock: systemClock, log });
      const hub = await openHub(database.url, { cluster });
      return {
        cluster,
        ...hub,
        async [Symbol.asyncDispose]() {
          await hub[Symbol.asyncDispose]();
          await cluster.close();
          await postgres.close();
        },
      };
    };
    await using one = await join();
    await using two = await join();
    const told: Change[] = [];
    two.cluster.onChanges((changes) => void told.push(...(changes ?? [])));
    let rung = 0;
    two.state.onEvent(() => void rung++);
    await one.state.putProject(project("p1"));
    await Promise.all([one.state.putServer(server("a")), one.state.putToken(token("t", null))]);
    await one.state.putBeats([{ id: "a", version: "1", lastSeenMs: 5, heartbeat: "{}", tokenUsedAtMs: 5 }]);
    await one.state.appendEvents({ serverId: "a", batchId: null, events: [started(1)] });
    await until(() => told.length >= 4 && rung > 0, "what the other hub did");
    expect(told.map(({ kind, id }) => `${kind} ${id}`)).toEqual(["project p1", "server a", "token t", "beat a"]);
    expect(two.state.eventsHead()).toBe(1);
  });
});
