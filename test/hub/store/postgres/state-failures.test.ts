/** What failures of a real Postgres, and of the way to it, do to the state. */
import { SQL } from "bun";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Fault } from "#src/protocol/fault.ts";
import { project, server } from "#test/hub/store/open.ts";
import { freshDatabase, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { startCutting } from "./cuts.ts";
import { openHub } from "./hubs.ts";
import { codeOf, started, token } from "./things.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("the state of a database that fails (needs PostgreSQL)", () => {
  test("has what was acknowledged once, and nothing twice, when the server restarts in the middle of writes", async () => {
    await using postgres = await startPostgres();
    await using database = await postgres.freshDatabase();
    // however long a start of the server takes
    await using hub = await openHub(database.url, { patienceMs: 20_000 });
    const { state } = hub;
    await state.putProject(project("p1"));
    await state.putToken(token("t", null));
    const outcomes = { acknowledged: new Set<string>(), refused: new Set<string>(), uses: 0 };
    const going = new AbortController();
    const writer = async (name: string) => {
      for (let n = 0; !going.signal.aborted; n++) {
        const reason = `${name} ${n}`;
        const event = { ...started(n), reason };
        try {
          await state.appendEvents({ serverId: "a", batchId: null, events: [event] });
          outcomes.acknowledged.add(reason);
          if ((await state.spendToken("t")) !== null) outcomes.uses++;
        } catch (error) {
          expect((error as Fault).code).toBe("unavailable");
          outcomes.refused.add(reason);
        }
      }
    };
    const writers = ["one", "two", "three"].map(writer);
    const more = async () => {
      const before = outcomes.acknowledged.size;
      await until(() => outcomes.acknowledged.size > before + 30, "writes");
    };
    for (const how of ["kill", "stop", "kill"] as const) {
      await more();
      await postgres[how]();
      await postgres.start();
    }
    await more();
    going.abort();
    await Promise.all(writers);
    const rows = await database.query("SELECT body FROM events ORDER BY position");
    const stored = rows.map(({ body }) => (JSON.parse(String(body)) as { reason: string }).reason);
    expect(new Set(stored).size).toBe(stored.length);
    const known = new Set(stored);
    expect([...outcomes.acknowledged].filter((one) => !known.has(one))).toEqual([]);
    expect(stored.filter((one) => !outcomes.acknowledged.has(one) && !outcomes.refused.has(one))).toEqual([]);
    // each write waits for the server to be back, so that none was refused here
    expect([...outcomes.refused]).toEqual([]);
    expect((await state.tokens())[0]?.uses).toBe(outcomes.uses);
    expect(hub.warnings).toEqual([]);
  });

  test("knows whether a write was done whose connection was lost, wherever it was lost", async () => {
    await using postgres = await startPostgres();
    await using database = await postgres.freshDatabase();
    using cutting = startCutting(postgres.port);
    await using hub = await openHub(cutting.through(database.url), { patienceMs: 20_000 });
    const { state } = hub;
    await state.putProject(project("p1"));
    await state.putToken(token("t", null));
    let spent = 0;
    // the texts of a transaction's queries, as far as the server is told them
    for (const text of ["BEGIN", "begin", "positions", "events", "commit", "COMMIT", "", "state_writers"]) {
      for (const where of ["before", "after"] as const) {
        for (let skip = 0; skip < 3; skip++) {
          let left = skip;
          cutting.cut = (said) => (said.includes(text) && left-- === 0 ? where : "no");
          const event = { ...started(spent), reason: `${text} ${where} ${skip}` };
          await Promise.all([
            state.appendEvents({ serverId: "a", batchId: null, events: [event] }),
            state.spendToken("t").then((uses) => expect(uses).toBe(++spent)),
          ]);
        }
      }
    }
    cutting.cut = () => "no";
    expect(cutting.cuts()).toBeGreaterThan(15);
    expect((await state.eventsAfter(0, 1000)).length).toBe(spent);
    expect((await state.tokens())[0]?.uses).toBe(spent);
    expect([hub.surprises(), hub.warnings]).toEqual([0, []]);
  });

  // Before, all connections were theirs: with thirty of them a write took ten seconds, and deliveries of logs were refused
  test("is read and written however many searches wait", async () => {
    await using database = await freshDatabase();
    await using hub = await openHub(`${database.url}?max=3`, { patienceMs: 2000 });
    const { state } = hub;
    await using client = new SQL(database.url, { max: 1 });
    using other = await client.reserve();
    await other.unsafe("BEGIN");
    await other.unsafe("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE");
    const wanted = { organizationId: "o", unowned: false, action: null, target: null, actor: null, before: null };
    const searches = Array.from({ length: 6 }, () =>
      state.audit({ ...wanted, limit: 1 }).catch(({ code }: Fault) => code),
    );
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await until(async () => (await database.query(waiting)).length > 0, "a search to wait");
    await state.putProject(project("p1"));
    expect((await state.projects()).map(({ id }) => id)).toEqual(["p1"]);
    expect((await database.query(waiting)).length).toBe(1);
    // those that get no connection are told so
    expect(await Promise.all(searches.slice(1))).toEqual(Array.from({ length: 5 }, () => "unavailable"));
    await other.unsafe("COMMIT");
    expect(await searches[0]).toEqual({ entries: [], cursor: null });
  });

  test("is refused for a while and works again by itself; what was done all the same is found out", async () => {
    await using postgres = await startPostgres();
    await using database = await postgres.freshDatabase();
    using cutting = startCutting(postgres.port);
    await using hub = await openHub(cutting.through(database.url), { patienceMs: 1500 });
    const { state } = hub;
    await state.putProject(project("p1"));
    let down = false;
    cutting.cut = (said) => {
      if (down) return "before";
      down = /commit/i.test(said);
      return down ? "after" : "no";
    };
    expect(await codeOf(state.putServer(server("a")))).toBe("unavailable");
    const refused = await Promise.all([
      codeOf(state.servers()),
      codeOf(state.putServer(server("b"))),
      codeOf(state.putBeats([])),
      codeOf(state.eventsAfter(0, 1)),
    ]);
    expect(refused).toEqual(["unavailable", "unavailable", "unavailable", "unavailable"]);
    expect(await state.ready()).toBe(false);
    cutting.cut = () => "no";
    // nobody writes: it is found out all the same
    await until(() => hub.surprises() === 1, "the write that was done");
    expect((await state.servers()).map(({ id }) => id)).toEqual(["a"]);
    await state.putServer(server("b"));
    expect(await state.ready()).toBe(true);
    expect(hub.warnings).toEqual([]);
  });
});
