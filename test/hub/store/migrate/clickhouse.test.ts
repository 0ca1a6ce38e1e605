import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { LogTarget } from "#src/hub/store/migrate/logs.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { systemClock } from "#src/lib/clock.ts";
import { type Clickhouse, haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { numbered } from "../blocks/numbered.ts";
import { odd } from "./odd.ts";
import { runToClickhouse } from "./rig.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const open = async (path: string) =>
  await openBlockStore(path, systemClock, (error) => {
    throw error;
  });

describe.skipIf(!haveClickhouse)("log lines into ClickHouse (needs ClickHouse)", () => {
  let clickhouse: Clickhouse;
  beforeAll(async () => {
    clickhouse = await startClickhouse();
  });
  afterAll(async () => {
    await clickhouse[Symbol.asyncDispose]();
  });

  async function fill(path: string) {
    const store = await open(path);
    await store.append(delivery("a", odd));
    for (let n = 0; n < 30; n++) await store.append(delivery(`s${n % 3}`, numbered(n * 5000, 5000)));
    return store;
  }

  test("every line is there once, byte for byte", async () => {
    await using source = temporaryFolder();
    await using journal = temporaryFolder();
    const store = await fill(source.path);
    const url = await clickhouse.freshDatabase();
    expect(await runToClickhouse(source.path, journal.path, url)).toEqual([]);
    const database = new URL(url).pathname.slice(1);
    expect(await clickhouse.ask("SELECT count(), uniqExact(position) FROM logs", database)).toBe("150004\t150004\n");
    await store.append(delivery("s0", numbered(900_000, 1000)));
    expect(await runToClickhouse(source.path, journal.path, url)).toEqual([]);
    // one line is not what it was
    await clickhouse.ask(
      "ALTER TABLE logs UPDATE message = 'other' WHERE position = 100 SETTINGS mutations_sync = 1",
      database,
    );
    expect(await runToClickhouse(source.path, journal.path, url)).toEqual([
      { what: "logs 2026-06-01 s0", wanted: 51_000, found: 51_000 },
    ]);
    store.close();
  });

  test("neither a cut connection nor a killed ClickHouse costs a line, or brings one twice", async () => {
    await using source = temporaryFolder();
    await using journal = temporaryFolder();
    const store = await fill(source.path);
    const url = await clickhouse.freshDatabase();
    // it has the data, and nobody hears of it
    await clickhouse.misbehave("cut", 1, "INSERT INTO logs");
    expect(await failureOf(runToClickhouse(source.path, journal.path, url))).toMatchObject({ code: "unavailable" });
    let writes = 0;
    const killing = (to: LogTarget): LogTarget => ({
      ...to,
      async write(runs, range) {
        if (writes++ === 1) await clickhouse.kill();
        await to.write(runs, range);
      },
    });
    const killed = await failureOf(runToClickhouse(source.path, journal.path, url, killing));
    expect(killed).toMatchObject({ code: "unavailable" });
    await clickhouse.start();
    expect(await runToClickhouse(source.path, journal.path, url)).toEqual([]);
    store.close();
  });
});
