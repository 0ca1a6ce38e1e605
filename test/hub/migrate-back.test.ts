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
import { until } from "#test/kit/wait.ts";
import { fillHub } from "./filled-hub.ts";
import { answersOf, bringBack, migrate, quiet, settings } from "./moving.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres || !haveClickhouse)("a hub that moves (needs PostgreSQL and ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => {
    clickhouse = await startClickhouse();
  });
  afterAll(async () => {
    await clickhouse[Symbol.asyncDispose]();
  });

  test("comes back as it was", async () => {
    await using folder = temporaryFolder();
    await using again = temporaryFolder();
    await using database = await freshDatabase();
    const target = { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase() };
    let before: unknown;
    {
      await using hub = await startHub({ folder: folder.path, settings });
      await (await fillHub(hub, 300)).more();
      await until(
        async () => (await hub.json<{ groups: unknown[] }>("/api/errors")).groups.length > 0 || null,
        "the errors",
      );
    }
    {
      await using hub = await startHub({ folder: folder.path, settings });
      before = await answersOf(hub);
    }
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({ state: "done", differences: [] });
    // nothing is there yet
    const back = again.at("back");
    expect(await bringBack(folder.path, back, { ...target, finish: false })).toMatchObject({ state: "copying" });
    expect(() => refuseMoved(back)).toThrow("holds a part of the hub");
    expect(await bringBack(folder.path, back, { ...target, finish: true })).toMatchObject({
      state: "done",
      differences: [],
    });
    refuseMoved(back);
    // neither of the others starts any more
    const postgres = await openPostgres(database.url, { clock: systemClock, log: quiet });
    expect(await failureOf(refuseHalf(postgres.patient()))).toMatchObject({
      message: expect.stringContaining("were moved to") as unknown,
    });
    await postgres.close();
    expect(() => refuseMoved(folder.path)).toThrow();
    await using hub = await startHub({ folder: back, settings });
    expect(await answersOf(hub)).toEqual(before as never);
    // neither does anybody bring it to where it was
    expect(await failureOf(migrate(folder.path, target))).toMatchObject({ code: "conflict" });
    await using other = await startHub();
    expect(await failureOf(migrate(other.folder, target))).toMatchObject({ code: "conflict" });
    expect(await failureOf(bringBack(folder.path, other.folder, { ...target, finish: false }))).toMatchObject({
      code: "conflict",
    });
  });
});
