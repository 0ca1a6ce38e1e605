/** Hubs of one Postgres have one ClickHouse: whoever is given another one is told, and puts nothing there. */
import { cpSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { allEntries, entries } from "#test/hub/kit/hub.ts";
import { type Clickhouse, haveClickhouse, sharedClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type TestDatabase, freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { startHub } from "./kit/hub.ts";
import { bringBack, migrate, settings as kept } from "./moving.ts";
import { type SharedPlace, sharedPlace, startShared } from "./shared-hubs.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(120_000);

/** `host:port/database` */
const whereOf = (url: string | null | undefined): string => {
  const { host, pathname } = new URL(url ?? "");
  return `${host}${pathname}`;
};

const refusalOf = (place: Pick<SharedPlace, "settings">, clickhouseUrl: string) =>
  failureOf(startShared(place, { settings: { clickhouseUrl }, untouched: true }));

/** That of a hub which is given `given` where the others have `known`. */
const refused = (known: string | null, given: string) => ({
  code: "conflict",
  message: expect.stringContaining(
    `keep their logs in ClickHouse at ${whereOf(known)}, and this one is given ${whereOf(given)}`,
  ),
  hint: expect.stringContaining("Give all hubs the same clickhouseUrl"),
});

/** What a person does whose ClickHouse is gone for good: the statement out of the hint. */
async function forget(database: TestDatabase, refusal: unknown): Promise<void> {
  const { hint = "" } = refusal as { hint?: string };
  const [statement = ""] = /DELETE FROM hub_agreements WHERE name = '\w+'/.exec(hint) ?? [];
  expect(statement).not.toBe("");
  await database.query(statement);
}

describe.skipIf(!havePostgres || !haveClickhouse)("hubs and their ClickHouse (needs PostgreSQL and ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => void (clickhouse = await sharedClickhouse()));
  const tables = async (url: string) => await clickhouse.ask("SHOW TABLES", new URL(url).pathname.slice(1));

  test("another database is refused, and left as it is; the same by another name is not", async () => {
    await using place = await sharedPlace();
    const known = place.settings.clickhouseUrl;
    const another = await clickhouse.freshDatabase();
    const byName = new URL(known ?? "");
    byName.hostname = "localhost";
    await using first = await startShared(place);
    await using second = await startShared(place, { settings: { clickhouseUrl: byName.href } });
    expect((await second.get("/readyz")).status).toBe(200);
    expect((await (await first.agent()).logs(entries(1, 5))).status).toBe(202);
    expect(await refusalOf(place, another)).toMatchObject(refused(known, another));
    expect(await tables(another)).toBe("");
    expect(await allEntries(second)).toHaveLength(5);
  });

  test("one of other hubs is refused", async () => {
    await using place = await sharedPlace();
    await using others = await sharedPlace();
    await using first = await startShared(place);
    await using other = await startShared(others);
    expect((await first.get("/readyz")).status).toBe(200);
    const url = others.settings.clickhouseUrl ?? "";
    expect(await refusalOf(place, url)).toMatchObject({
      ...refused(place.settings.clickhouseUrl, url),
      message: expect.stringContaining("which is of other hubs"),
    });
    expect((await other.get("/readyz")).status).toBe(200);
  });

  describe("a server of its own", () => {
    let away: Clickhouse;
    beforeAll(async () => void (away = await startClickhouse()));
    afterAll(async () => await away[Symbol.asyncDispose]());

    test("that is away when the hub starts is compared when it comes", async () => {
      await using place = await sharedPlace();
      await using first = await startShared(place);
      const url = await away.freshDatabase();
      await away.stop();
      const said: string[] = [];
      const options = { settings: { clickhouseUrl: url }, untouched: true, said };
      const starting = failureOf(startShared(place, options));
      await until(() => said.some((line) => line.includes("waiting for ClickHouse at")), "the hub to wait", 30_000);
      await away.start();
      expect(await starting).toMatchObject(refused(place.settings.clickhouseUrl, url));
      expect(await away.ask("SHOW TABLES", new URL(url).pathname.slice(1))).toBe("");
      expect((await first.get("/readyz")).status).toBe(200);
    });
  });

  test("one that was emptied is told of, and taken once a person says so", async () => {
    await using place = await sharedPlace();
    const url = place.settings.clickhouseUrl ?? "";
    const name = new URL(url).pathname.slice(1);
    await using folder = temporaryFolder();
    let agent: { readonly id: string; readonly token: string };
    {
      await using first = await startShared(place, { folder: folder.path });
      const there = await first.agent("web-1");
      expect((await there.logs(entries(1, 5))).status).toBe(202);
      agent = there;
    }
    await clickhouse.ask(`DROP DATABASE ${name}`);
    const refusal = await refusalOf(place, url);
    await forget(place.database, refusal);
    expect(refusal).toMatchObject({
      ...refused(url, url),
      message: expect.stringContaining("which was never theirs, or was emptied since"),
    });
    await using hub = await startShared(place, { folder: folder.path });
    const again = await hub.agent("web-1");
    expect(again.id).toBe(agent.id);
    expect((await again.logs(entries(6, 9))).status).toBe(202);
    expect((await allEntries(hub)).map(({ seq }) => seq)).toEqual([6, 7, 8, 9]);
    const another = await clickhouse.freshDatabase();
    expect(await refusalOf(place, another)).toMatchObject(refused(url, another));
  });

  test("a place of hubs that did not note it yet is taken as it is", async () => {
    await using place = await sharedPlace();
    const url = place.settings.clickhouseUrl ?? "";
    {
      await using before = await startShared(place);
      expect((await (await before.agent()).logs(entries(1, 5))).status).toBe(202);
    }
    // as a hub of before this left both
    await place.database.query("DELETE FROM hub_agreements WHERE name = 'clickhouse'");
    await clickhouse.ask("DROP TABLE hub_identity SYNC", new URL(url).pathname.slice(1));
    await using hub = await startShared(place);
    expect(await allEntries(hub)).toHaveLength(5);
    const another = await clickhouse.freshDatabase();
    expect(await refusalOf(place, another)).toMatchObject(refused(url, another));
  });

  test("of hubs that start together on two, those on one start and the others are refused", async () => {
    await using place = await sharedPlace();
    const urls = [place.settings.clickhouseUrl ?? "", await clickhouse.freshDatabase()];
    const starts = [0, 1, 0, 1].map(async (which) => {
      const hub = await startShared(place, { settings: { clickhouseUrl: urls[which] ?? "" }, untouched: true });
      return { hub, which };
    });
    const ends = await Promise.allSettled(starts);
    const started = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    for (const { hub } of started) await hub[Symbol.asyncDispose]();
    expect(started).toHaveLength(2);
    const [known = ""] = started.map(({ which }) => urls[which]);
    const [given = ""] = urls.filter((url) => url !== known);
    expect(new Set(started.map(({ which }) => which)).size).toBe(1);
    const failures = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    for (const failure of failures) expect(failure).toMatchObject(refused(known, given));
  });

  test("a hub that moves has it noted, and neither goes on nor comes back with another one", async () => {
    await using folder = temporaryFolder();
    await using back = temporaryFolder();
    await using own = temporaryFolder();
    await using database = await freshDatabase();
    const url = await clickhouse.freshDatabase();
    const another = await clickhouse.freshDatabase();
    {
      await using hub = await startHub({ folder: folder.path, settings: kept });
      expect((await (await hub.agent()).logs(entries(1, 5))).status).toBe(202);
    }
    const target = { databaseUrl: database.url, clickhouseUrl: url };
    expect(await migrate(folder.path, target)).toMatchObject({ state: "copying" });
    const elsewhere = { ...target, clickhouseUrl: another };
    expect(await failureOf(migrate(folder.path, { ...elsewhere, finish: true }))).toMatchObject(refused(url, another));
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({ state: "done" });
    const place = { settings: { ...target, secretFile: join(folder.path, "secret") } };
    expect(await refusalOf(place, another)).toMatchObject(refused(url, another));
    {
      await using hub = await startShared(place, { settings: kept });
      expect(await allEntries(hub)).toHaveLength(5);
    }
    cpSync(join(folder.path, "secret"), own.at("secret"));
    const home = { ...target, finish: false };
    expect(await failureOf(bringBack(own.path, back.path, { ...home, clickhouseUrl: another }))).toMatchObject(
      refused(url, another),
    );
    expect(await bringBack(own.path, back.path, home)).toMatchObject({ state: "copying", linesLeft: 0 });
    expect(await bringBack(own.path, back.path, { ...home, finish: true })).toMatchObject({ state: "done" });
    await using hub = await startHub({ folder: back.path, settings: kept });
    expect(await allEntries(hub)).toHaveLength(5);
  });
});
