import { existsSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { everythingIn, makeFolder, runProgram } from "./killed-migration.ts";
import { migrate } from "./moving.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(180_000);

describe.skipIf(!havePostgres || !haveClickhouse)("the way back (needs PostgreSQL and ClickHouse)", () => {
  test("brings everything, once, however often it is killed", async () => {
    await using folder = temporaryFolder();
    await using again = temporaryFolder();
    await using database = await freshDatabase();
    await using clickhouse = await startClickhouse();
    const target = { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase() };
    await makeFolder(folder.path);
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({ state: "done" });
    const back = again.at("back");
    const words = [folder.path, target.databaseUrl, target.clickhouseUrl];
    /** Killed at this step; Infinity: not at all. */
    const run = async (last: number, finish = "--finish") => {
      let steps = 0;
      return await runProgram([...words, finish, back], () => ++steps === last);
    };
    await run(3, "--no-finish");
    for (const last of [2, 5, 8, 11]) expect(await run(last)).toBeUndefined();
    expect(await run(Infinity)).toMatchObject({
      state: "done",
      lines: 100_000,
      linesLeft: 0,
      differences: [],
      damaged: [],
    });
    expect(existsSync(join(back, "moved.json"))).toBe(false);
    expect(await everythingIn(back)).toEqual(await everythingIn(folder.path));
    // said again, it says the same; and nobody takes the folder for one that is still to be filled
    expect(await run(Infinity)).toMatchObject({ state: "done", lines: 100_000 });
  });
});
