import { Database } from "bun:sqlite";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { timestamp } from "#src/lib/clock.ts";
import type { Project } from "#src/protocol/project.ts";
import { type Clickhouse, haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { createAgent, entries, startHub } from "./kit/hub.ts";
import { migrate, settings } from "./moving.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(120_000);

const dayMs = 86_400_000;

describe.skipIf(!havePostgres || !haveClickhouse)("what a migration misses (needs PostgreSQL and ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => {
    clickhouse = await startClickhouse();
  });
  afterAll(async () => {
    await clickhouse[Symbol.asyncDispose]();
  });

  /** A folder with 3,000 lines of two servers, and one of the fixed day of tests that a project keeps for long. */
  async function filled(folder: string) {
    await using hub = await startHub({ folder, settings });
    const [web, db] = [await hub.agent("web-1"), await hub.agent("db-1")];
    const project = (await (await hub.send("POST", "/api/projects", { name: "long" })).json()) as Project;
    await hub.send("PATCH", `/api/projects/${project.id}`, { retention: { days: 3000, bytes: null } });
    const made = await hub.send("POST", "/api/servers", { hostname: "archive", project: project.id });
    const archive = createAgent(hub.url, (await made.json()) as { id: string; token: string });
    expect((await web.logs(entries(1, 2000))).status).toBe(202);
    expect((await db.logs(entries(1, 1000))).status).toBe(202);
    expect((await archive.logs(entries(1, 10, { at: timestamp(Date.now() - 2000 * dayMs) }))).status).toBe(202);
    return { web: web.id, db: db.id, archive: archive.id };
  }

  test("is found, also when it was compared before", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    const url = await clickhouse.freshDatabase();
    const { web } = await filled(folder.path);
    const target = { databaseUrl: database.url, clickhouseUrl: url };
    expect(await migrate(folder.path, target)).toMatchObject({ state: "copying", lines: 3010, compared: 3010 });
    const name = new URL(url).pathname.slice(1);
    await clickhouse.ask("DELETE FROM logs WHERE position = 7 SETTINGS mutations_sync = 2", name);
    expect(await migrate(folder.path, { ...target, finish: true })).toMatchObject({
      state: "different",
      differences: [{ what: `lines of ${web}`, wanted: 2000, found: 1999 }],
    });
    // the hub works where it was
    await using hub = await startHub({ folder: folder.path, settings });
    expect((await hub.get("/api/servers")).status).toBe(200);
  });

  test("is told when the folder itself has lost it, and nothing else is missing", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    const { web } = await filled(folder.path);
    const logs = new Database(folder.at("logs.db"), { strict: true });
    for (const [table, origin] of [
      ["block_bodies", "block IN (SELECT blocks.id FROM blocks JOIN origins ON origins.id = origin WHERE name = ?)"],
      ["chunks", "server = ?"],
    ] as const) {
      logs.query(`UPDATE ${table} SET body = zeroblob(40) WHERE ${origin}`).run(web);
    }
    logs.close();
    const target = { databaseUrl: database.url, clickhouseUrl: await clickhouse.freshDatabase() };
    expect(await migrate(folder.path, target)).toMatchObject({ state: "copying", lines: 1010 });
    // another run has read it than the one that ends it
    const done = await migrate(folder.path, { ...target, finish: true });
    expect(done).toMatchObject({ state: "done", lines: 1010, differences: [] });
    expect(done.damaged).toContain(`2000 lines of ${web}`);
  });

  test("is nothing that a project keeps for longer than the hub, or that is older than either", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    const url = await clickhouse.freshDatabase();
    const { web, archive } = await filled(folder.path);
    // for the hub all but the archive is too old by now
    const short = { retention: { ...settings.retention, logs: { ...settings.retention.logs, days: 14 } } };
    const target = { databaseUrl: database.url, clickhouseUrl: url };
    const done = await migrate(folder.path, { ...target, finish: true }, short);
    expect(done).toMatchObject({ state: "done", lines: 3010, differences: [] });
    const name = new URL(url).pathname.slice(1);
    // until a hub says otherwise
    expect(await clickhouse.ask("SHOW CREATE TABLE logs", name)).not.toContain("TTL");
    expect(await clickhouse.ask(`SELECT count() FROM logs WHERE server = '${web}'`, name)).toBe("2000\n");
    const { databaseUrl, clickhouseUrl } = target;
    const onDatabases = { ...short, databaseUrl, clickhouseUrl, secretFile: folder.at("secret") };
    await using hub = await startHub({ settings: onDatabases });
    const ofArchive = await hub.json<{ entries: unknown[] }>(`/api/logs?server=${archive}`);
    expect(ofArchive.entries).toHaveLength(10);
  });
});
