import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { figures, makeFolder, runProgram } from "./killed-migration.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(180_000);

/** Where a run is killed: at the first step of this kind. The last one is let go on. */
const kills = ["logs 6", "metrics", "logs 1", "state", "errors", "check", null];

describe.skipIf(!havePostgres || !haveClickhouse)("a migration (needs PostgreSQL and ClickHouse)", () => {
  test("that is killed again and again brings everything once", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    await using clickhouse = await startClickhouse();
    const url = await clickhouse.freshDatabase();
    await makeFolder(folder.path);
    const words = [folder.path, database.url, url];
    for (const kill of kills) {
      const report = await runProgram([...words, "--finish"], (step) => kill !== null && step.startsWith(kill));
      if (kill !== null) continue;
      expect(report).toMatchObject({ state: "done", lines: 100_000, linesLeft: 0, differences: [], damaged: [] });
    }
    const name = new URL(url).pathname.slice(1);
    expect(await clickhouse.ask("SELECT count(), uniqExact(position), uniqExact((server, seq)) FROM logs", name)).toBe(
      "100000\t100000\t100000\n",
    );
    expect(await clickhouse.ask("SELECT uniqExact(origin, key, at) FROM metric_samples", name)).toBe(`${figures}\n`);
    expect(await database.query("SELECT count(*)::int AS events, max(position)::int AS last FROM events")).toEqual([
      { events: 2000, last: 2000 },
    ]);
  });
});
