import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";

import { openSqliteSide } from "#src/hub/store/migrate/sqlite-side.ts";
import { stateTables, withColumns } from "#src/hub/store/migrate/state.ts";
import {
  type Side,
  type Table,
  copyAll,
  copyNew,
  dropGone,
  sumTable,
  tablesOf,
} from "#src/hub/store/migrate/tables.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { systemClock } from "#src/lib/clock.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const people: Table = { name: "people", key: "id" };
const happened: Table = { name: "happened", key: "position" };

const row = fc.record({
  id: fc.uuid(),
  name: fc.option(fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\u0000"))),
  verified: fc.constantFrom(0, 1),
  at: fc.option(
    fc.date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true }).map((date) => date.toISOString()),
  ),
  big: fc.option(fc.maxSafeInteger()),
  days: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)),
  digest: fc.option(fc.uint8Array({ maxLength: 40 })),
});

test("every table of a hub's state is copied", async () => {
  await using folder = temporaryFolder();
  (await openStateStore(folder.path, systemClock)).close();
  const state = openSqliteSide(folder.at("state.db"), { readonly: true });
  const own = (await tablesOf(state)).filter((name) => !name.startsWith("kysely_"));
  state.close();
  expect(own.toSorted()).toEqual([...stateTables].sort());
});

describe.skipIf(!havePostgres)("tables copied between SQLite and Postgres (needs PostgreSQL)", () => {
  async function open() {
    const folder = temporaryFolder();
    const file = folder.at("one.db");
    const made = new Database(file, { create: true });
    made.run(
      "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, verified INTEGER, at TEXT, big INTEGER, days REAL, digest BLOB)",
    );
    made.run("CREATE TABLE happened (position INTEGER PRIMARY KEY, body TEXT NOT NULL)");
    made.close();
    const sqlite = openSqliteSide(file);
    const database = await freshDatabase();
    await database.query(
      "CREATE TABLE people (id text PRIMARY KEY, name text, verified boolean, at timestamptz, big bigint, days double precision, digest bytea, extra text); GRANT ALL ON people TO PUBLIC",
    );
    await database.query(
      "CREATE TABLE happened (position bigint PRIMARY KEY, body text NOT NULL); GRANT ALL ON happened TO PUBLIC",
    );
    const log = { info: () => undefined, warn: () => undefined };
    const postgres = await openPostgres(database.url, { clock: systemClock, log });
    const side: Side = { queries: postgres.patient(), engine: "postgres" };
    return {
      sqlite,
      side,
      async [Symbol.asyncDispose]() {
        sqlite.close();
        await postgres.close();
        await database[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  }

  test("any row is there and comes back as it was", async () => {
    await using both = await open();
    const { sqlite, side } = both;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 12 }), async (rows) => {
        await sqlite.queries.deleteFrom("people").execute();
        for (const one of rows) await sqlite.queries.insertInto("people").values(one).execute();
        const tables = await withColumns(sqlite, side, [people]);
        const [table] = tables;
        if (table === undefined) throw new Error("no table");
        const before = await sqlite.queries.selectFrom("people").selectAll().orderBy("id").execute();
        const sums = await copyAll(sqlite, side, tables, () => undefined);
        expect(await sumTable(side, table)).toEqual(sums.get("people") ?? { count: -1, sum: 0n });
        await copyAll(side, sqlite, tables, () => undefined);
        expect(await sqlite.queries.selectFrom("people").selectAll().orderBy("id").execute()).toEqual(before);
      }),
      { numRuns: 40 },
    );
  });

  test("what is numbered is brought up to date: what is new comes, what is gone goes", async () => {
    await using both = await open();
    const { sqlite, side } = both;
    const [table] = await withColumns(sqlite, side, [happened]);
    if (table === undefined) throw new Error("no table");
    const add = (from: number, to: number) => {
      const all = sqlite.database.transaction(() => {
        for (let n = from; n <= to; n++) sqlite.database.run("INSERT INTO happened VALUES (?, ?)", [n, `event ${n}`]);
      });
      all();
    };
    add(1, 1700);
    let copied = 0;
    const count = (rows: number) => void (copied += rows);
    await copyNew(sqlite, side, table, count);
    add(1701, 1710);
    await copyNew(sqlite, side, table, count);
    expect(copied).toBe(1710);
    sqlite.database.run("DELETE FROM happened WHERE position % 3 = 0 OR position BETWEEN 400 AND 1300");
    await dropGone(sqlite, side, table);
    expect(await sumTable(side, table)).toEqual(await sumTable(sqlite, table));
  });

  test("a source with columns that the target has no place for is refused", async () => {
    await using both = await open();
    const { sqlite, side } = both;
    sqlite.database.run("ALTER TABLE people ADD COLUMN newer TEXT");
    expect(await failureOf(withColumns(sqlite, side, [people]))).toMatchObject({ code: "conflict" });
  });
});
