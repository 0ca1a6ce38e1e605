import { existsSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { refuseHalf } from "#src/hub/store/migrate/journal.ts";
import { refuseMoved } from "#src/hub/store/migrate/mark.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { systemClock } from "#src/lib/clock.ts";
import { startHub } from "#test/hub/kit/hub.ts";
import { type Clickhouse, haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { fillHub } from "./filled-hub.ts";
import { migrate, quiet, settings } from "./moving.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(120_000);

describe.skipIf(!havePostgres || !haveClickhouse)("a hub that moves (needs PostgreSQL and ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => {
    clickhouse = await startClickhouse();
  });
  afterAll(async () => {
    await clickhouse[Symbol.asyncDispose]();
  });

  test("is copied while it works, and is all there when it has stopped", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    const target = { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase() };
    {
      await using hub = await startHub({ folder: folder.path, settings });
      const filled = await fillHub(hub, 5600);
      expect(await migrate(folder.path, target)).toMatchObject({ state: "copying", linesLeft: 0, differences: [] });
      // it is copied while more comes in
      await Promise.all([migrate(folder.path, target), filled.more()]);
      // nobody finishes it under a hub that works
      expect(await failureOf(migrate(folder.path, { ...target, finish: true }))).toMatchObject({ code: "conflict" });
      expect(await migrate(folder.path, target)).toMatchObject({ state: "copying", linesLeft: 0 });
      await filled.more();
    }
    // a hub that is started on half of another
    const postgres = await openPostgres(database.url, { clock: systemClock, log: quiet });
    const queries = postgres.patient<Record<string, Record<string, unknown>>>();
    expect(await failureOf(refuseHalf(queries))).toMatchObject({ code: "conflict" });
    refuseMoved(folder.path);
    const done = await migrate(folder.path, { ...target, finish: true });
    expect(done).toMatchObject({ state: "done", linesLeft: 0, differences: [], damaged: [] });
    expect(done.compared).toBeGreaterThan(200_000);
    await refuseHalf(queries);
    expect(() => refuseMoved(folder.path)).toThrow("was moved to");
    expect(existsSync(join(folder.path, "moved.json"))).toBe(true);
    // once more says the same
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({ state: "done", lines: done.lines });
    await postgres.close();
  });
});
