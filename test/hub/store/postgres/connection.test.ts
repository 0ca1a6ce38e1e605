import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "kysely";

import { systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Postgres, faultOf, isCollision, openPostgres } from "#src/hub/store/postgres/connection.ts";
import { failureOf } from "#test/kit/failure.ts";
import { freshDatabase, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

const told: string[] = [];
const log = { info: (text: string) => void told.push(text), warn: (text: string) => void told.push(text) };
const world = { clock: systemClock, log };

/** Short, and long enough for a connection on a machine that does much else. */
const times = { connection: 1500, control: 1500 };

async function opened(url: string, given?: typeof times): Promise<Postgres & AsyncDisposable> {
  const postgres = await openPostgres(url, { ...world, ...(given === undefined ? {} : { times: given }) });
  return Object.assign(postgres, { [Symbol.asyncDispose]: () => postgres.close() });
}

type Tables = { thing: { id: string; bytes: Uint8Array | null; n: number | null; text: string | null } };

async function makeThings(postgres: Postgres) {
  const db = postgres.queries<Tables>();
  await db.schema
    .createTable("thing")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("bytes", "bytea")
    .addColumn("n", "bigint")
    .addColumn("text", "text")
    .execute();
  return db;
}

// a loaded machine takes its time
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("a connection to the database (needs PostgreSQL)", () => {
  test("gives back what was written, whole numbers as numbers and bytes as bytes", async () => {
    await using database = await freshDatabase();
    await using postgres = await opened(database.url);
    const db = await makeThings(postgres);
    const row = { id: "a", bytes: new Uint8Array([0, 1, 254, 255]), n: Number.MAX_SAFE_INTEGER, text: "Łódź 🚀" };
    await db
      .insertInto("thing")
      .values([row, { ...row, id: "b", bytes: null, n: null, text: null }])
      .execute();
    const [first, second] = await db.selectFrom("thing").selectAll().orderBy("id").execute();
    expect(first?.bytes).toBeInstanceOf(Uint8Array);
    expect({ ...first, bytes: new Uint8Array(first?.bytes ?? []) }).toEqual(row);
    expect(second).toEqual({ id: "b", bytes: null, n: null, text: null });
    const { count, sum } = await db
      .selectFrom("thing")
      .select(({ fn }) => [fn.countAll<number>().as("count"), fn.sum<number>("n").as("sum")])
      .executeTakeFirstOrThrow();
    expect({ count, sum }).toEqual({ count: 2, sum: Number.MAX_SAFE_INTEGER });
    const { numDeletedRows } = await db.deleteFrom("thing").executeTakeFirstOrThrow();
    expect(numDeletedRows).toBe(2n);
    expect(postgres).toMatchObject({ kind: "postgres", canNotify: true });
    expect(postgres.version).toStartWith("PostgreSQL ");
  });

  test("undoes a transaction that fails, and tells a repeat from a failure", async () => {
    await using database = await freshDatabase();
    await using postgres = await opened(database.url);
    const db = await makeThings(postgres);
    await db.insertInto("thing").values({ id: "a", bytes: null, n: 1, text: "secret" }).execute();
    const repeat = await failureOf(
      db.transaction().execute(async (within) => {
        await within.updateTable("thing").set({ n: 2 }).execute();
        await within.insertInto("thing").values({ id: "a", bytes: null, n: 3, text: null }).execute();
      }),
    );
    expect(faultOf(repeat)).toMatchObject({ code: "conflict" });
    expect(await db.selectFrom("thing").select("n").execute()).toEqual([{ n: 1 }]);
    const wrong = faultOf(await failureOf(sql`SELECT nothing FROM thing`.execute(db)));
    expect(wrong).toMatchObject({ code: "failed" });
    expect(wrong.oneLine).not.toContain("secret");
    // the connections are good for others
    for (let turn = 0; turn < 20; turn++)
      expect(await db.selectFrom("thing").select("n").execute()).toEqual([{ n: 1 }]);
  });

  test("says which transactions only met one another", async () => {
    await using database = await freshDatabase();
    await using postgres = await opened(database.url);
    const db = await makeThings(postgres);
    const empty = { bytes: null, n: 0, text: null };
    await db
      .insertInto("thing")
      .values([
        { id: "a", ...empty },
        { id: "b", ...empty },
      ])
      .execute();
    const both = Promise.withResolvers<void>();
    let begun = 0;
    const crossing = (first: string, second: string) =>
      db.transaction().execute(async (within) => {
        await within.updateTable("thing").set({ n: 1 }).where("id", "=", first).execute();
        if (++begun === 2) both.resolve();
        await both.promise;
        await within.updateTable("thing").set({ n: 1 }).where("id", "=", second).execute();
      });
    const ends = await Promise.allSettled([crossing("a", "b"), crossing("b", "a")]);
    const failures = ends.filter((end) => end.status === "rejected").map(({ reason }): unknown => reason);
    expect(failures.map(isCollision)).toEqual([true]);
    expect(faultOf(failures[0])).toMatchObject({ code: "unavailable" });
  });

  test("keeps what must not wait apart from what takes all connections", async () => {
    await using database = await freshDatabase();
    await using postgres = await opened(`${database.url}?max=3`, times);
    const done = Promise.withResolvers<void>();
    const db = postgres.queries();
    // the third is for searches
    const holding = [1, 2].map(() => db.transaction().execute(() => done.promise));
    const third = failureOf(sql`SELECT 1`.execute(db));
    expect((await sql`SELECT 1 AS one`.execute(postgres.control())).rows).toEqual([{ one: 1 }]);
    const busy = await third;
    expect(busy).toBeInstanceOf(Fault);
    expect(busy).toMatchObject({ code: "unavailable", message: "the database gave no connection within 1.5 s" });
    done.resolve();
    await Promise.all(holding);
    expect((await sql`SELECT 1 AS one`.execute(db)).rows).toEqual([{ one: 1 }]);
  });

  test("is there again after the database was: queries wait for it, and what was under way is told", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using postgres = await opened(database.url, { connection: 5000, control: 1500 });
    const db = await makeThings(postgres);
    const heard: (string | null)[] = [];
    postgres.listen("news", (payload) => heard.push(payload));
    await until(() => heard.length === 1, "listening");
    const lost = failureOf(sql`SELECT pg_sleep(30)`.execute(db));
    await until(async () => {
      const sessions = await server.query(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()",
      );
      return sessions.length === 1;
    });
    await server.kill();
    expect(faultOf(await lost)).toMatchObject({ code: "unavailable" });
    const waiting = db.insertInto("thing").values({ id: "a", bytes: null, n: 1, text: null }).execute();
    await server.start();
    await waiting;
    expect(await db.selectFrom("thing").select("id").execute()).toEqual([{ id: "a" }]);
    await until(() => heard.length === 2, "listening again");
    await sql`SELECT pg_notify('news', 'hello')`.execute(db);
    await until(() => heard.length === 3, "the notice");
    expect(heard).toEqual([null, null, "hello"]);
    await server.stop();
    const away = faultOf(await failureOf(sql`SELECT 1`.execute(db)));
    expect(away).toMatchObject({ code: "unavailable" });
    const control = faultOf(await failureOf(sql`SELECT 1`.execute(postgres.control())));
    expect(control).toMatchObject({ code: "unavailable" });
  });

  test("gives up a database that hangs, and is good for the next query", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using postgres = await opened(database.url, times);
    const control = postgres.control();
    await sql`SELECT 1`.execute(control);
    server.pause();
    const hung = await failureOf(sql`SELECT 2`.execute(control));
    expect(hung).toMatchObject({ code: "unavailable", message: "the database gave no answer within 1.5 s" });
    server.resume();
    expect((await sql`SELECT 3 AS three`.execute(control)).rows).toEqual([{ three: 3 }]);
  });

  test("waits for a database that is starting, and says what is wrong with one that is not right", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await server.stop();
    told.length = 0;
    const opening = opened(database.url);
    await until(() => told.length > 0, "waiting");
    await server.start();
    await (await opening)[Symbol.asyncDispose]();
    expect(told).toEqual([`waiting for the database at 127.0.0.1:${server.port}`]);

    const [, name = ""] = /\/(\w+)$/.exec(database.url) ?? [];
    const wrong = async (url: string) => {
      const fault = await failureOf(openPostgres(url, { ...world, times: { start: 0 } }));
      if (!(fault instanceof Fault)) throw fault;
      expect(fault.oneLine).not.toContain("hunter2");
      expect(fault.oneLine).not.toContain("of:orion");
      return `${fault.code}: ${fault.oneLine}`;
    };
    const place = `127.0.0.1:${server.port}`;
    expect(await wrong(`postgres://orion:hunter2@${place}/${name}`)).toBe(
      `failed: can't use the database at ${place}: password authentication failed for user "orion". Check user and password in databaseUrl`,
    );
    expect(await wrong(database.url.replace(name, "nowhere"))).toBe(
      `failed: can't use the database at ${place}: database "nowhere" does not exist. Create it, or name another one in databaseUrl`,
    );
    expect(await wrong(`${database.url}?sslmode=require`)).toBe(
      `failed: can't use the database at ${place}: Server does not support SSL. Check sslmode and sslrootcert in databaseUrl`,
    );
    expect(await wrong("postgres://orion:hunter2@127.0.0.1:1/orion")).toBe(
      "unavailable: can't reach the database at 127.0.0.1:1: nothing answers there, or its name is unknown. Check that it runs, and host and port in databaseUrl",
    );
    expect(await wrong("postgres://orion:hunter2%zz@:host/orion")).toStartWith("invalid: databaseUrl is not a URL. ");
    expect(await wrong("postgres://orion:hunter2%zz@127.0.0.1/orion")).toStartWith(
      "invalid: databaseUrl is not a URL. ",
    );
  });

  test("a hub that leaves waits for a database that answers, however slowly, and for no other", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using postgres = await opened(database.url);
    const slow = sql<{ n: number }>`SELECT 1 AS n, pg_sleep(3)`.execute(postgres.queries());
    postgres.leave();
    expect((await slow).rows[0]?.n).toBe(1);
    expect(postgres.givenUp.aborted).toBe(false);
    // what takes any time is refused as well, and so is what is asked afterwards
    const hanging = [postgres.queries(), postgres.patient()].map((db) => sql`SELECT pg_sleep(600)`.execute(db));
    const refusals = hanging.map((query) => failureOf(query));
    await Bun.sleep(100);
    server.pause();
    postgres.leave();
    refusals.push(failureOf(sql`SELECT 1`.execute(postgres.searches())));
    const given = await Promise.all(refusals);
    // all connections are closed by now: it need not hang any longer for what comes
    server.resume();
    for (const refusal of given) {
      expect(faultOf(refusal).oneLine).toContain("the database does not answer, and the hub stops");
      expect(faultOf(refusal).code).toBe("unavailable");
    }
    expect(postgres.givenUp.aborted).toBe(true);
    expect(await failureOf(sql`SELECT 1`.execute(postgres.control()))).toBe(postgres.givenUp.reason);
  });

  test("lets one hub at a time do what only one may", async () => {
    await using database = await freshDatabase();
    const hubs = await Promise.all([1, 2, 3, 4].map(() => opened(database.url)));
    let inside = 0;
    let most = 0;
    await Promise.all(
      hubs.map((hub) =>
        hub.exclusively("making tables", async (db) => {
          most = Math.max(most, ++inside);
          await sql`CREATE TABLE IF NOT EXISTS made (one int)`.execute(db);
          await Bun.sleep(10);
          inside--;
        }),
      ),
    );
    expect(most).toBe(1);
    const failure = await failureOf(hubs[0]?.exclusively("making tables", () => Promise.reject(new Error("no"))));
    expect(failure).toEqual(new Error("no"));
    // it is free again
    expect(await hubs[1]?.exclusively("making tables", async () => "mine")).toBe("mine");
    for (const hub of hubs) await hub.close();
  });
});
