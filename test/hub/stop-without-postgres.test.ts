/** A hub that is told to stop while its Postgres is away: it does, soon, and what it had promised is there afterwards. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type TestPostgres, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { type TestHub, allEntries, createAgent, entries, startHub } from "./kit/hub.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(120_000);

/** What a request was answered with; 0: with nothing. */
const statusOf = async (answer: Promise<Response>): Promise<number> => {
  try {
    return (await answer).status;
  } catch {
    return 0;
  }
};

const namesOf = async (hub: TestHub): Promise<readonly string[]> =>
  (await hub.json<{ projects: { name: string }[] }>("/api/projects")).projects.map(({ name }) => name);

describe.skipIf(!havePostgres || !haveClickhouse)("a hub that stops (needs PostgreSQL and ClickHouse)", () => {
  let postgres: TestPostgres;
  beforeAll(async () => void (postgres = await startPostgres()));
  afterAll(async () => await postgres[Symbol.asyncDispose]());

  // without giving up, the first takes at least ten seconds and the second fifty
  test.each([
    { how: "is stopped", leave: () => postgres.stop(), back: () => postgres.start(), withinMs: 8000 },
    { how: "hangs", leave: () => postgres.pause(), back: () => postgres.resume(), withinMs: 20_000 },
  ])(
    "while its Postgres $how ends soon, and has lost nothing that it said it has",
    async ({ leave, back, withinMs }) => {
      await using folder = temporaryFolder();
      await using database = await postgres.freshDatabase();
      const clickhouseUrl = await (await sharedClickhouse()).freshDatabase();
      const options = { folder: folder.path, settings: { databaseUrl: database.url, clickhouseUrl } };
      const hub = await startHub(options);
      let known: { readonly id: string; readonly token: string };
      let later: readonly number[];
      let tookMs: number;
      try {
        const agent = await hub.agent();
        known = agent;
        expect((await agent.logs(entries(1, 20))).status).toBe(202);
        expect((await hub.send("POST", "/api/projects", { name: "before" })).status).toBe(201);
        await leave();
        expect((await agent.beat()).status).toBe(200);
        const asked = [agent.logs(entries(21, 30)), hub.send("POST", "/api/projects", { name: "meanwhile" })];
        const answers = Promise.all(asked.map(statusOf));
        const began = performance.now();
        await hub.hub.stop();
        tookMs = performance.now() - began;
        later = await answers;
      } finally {
        await back();
        await hub[Symbol.asyncDispose]();
      }
      expect(tookMs).toBeLessThan(withinMs);
      // nobody was told that it is done
      expect(later.filter((status) => status !== 0 && status < 500)).toEqual([]);
      await using again = await startHub(options);
      expect((await allEntries(again)).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
      expect(await namesOf(again)).toContain("before");
      const repeated = await createAgent(again.url, known).logs(entries(1, 30));
      expect(await repeated.json()).toMatchObject({ accepted: 10, duplicates: 20 });
    },
  );

  test("while its Postgres answers says goodbye to the others", async () => {
    await using database = await postgres.freshDatabase();
    const clickhouseUrl = await (await sharedClickhouse()).freshDatabase();
    {
      await using hub = await startHub({ settings: { databaseUrl: database.url, clickhouseUrl } });
      expect((await hub.get("/readyz")).status).toBe(200);
    }
    expect(await database.query("SELECT id FROM hubs")).toEqual([]);
    expect(await database.query("SELECT name FROM duties WHERE hub IS NOT NULL")).toEqual([]);
  });
});
