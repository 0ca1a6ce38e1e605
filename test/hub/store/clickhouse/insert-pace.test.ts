import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { createPace, gatherMsFor } from "#src/hub/store/clickhouse/insert-pace.ts";
import { logsDdl } from "#src/hub/store/clickhouse/logs-tables.ts";
import { systemClock } from "#src/lib/clock.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";
import { until } from "#test/kit/wait.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

describe("deliveries wait for others", () => {
  test("for longer the more parts ClickHouse has left to merge, up to a second", () => {
    const parts = [0, 10, 100, 200, 400, 1000, 100_000];
    expect(parts.map((count) => gatherMsFor(count, 150))).toEqual([150, 150, 150, 300, 600, 1000, 1000]);
  });

  test.skipIf(!haveClickhouse)("as the parts are that there are (needs ClickHouse)", async () => {
    const url = await (await sharedClickhouse()).freshDatabase();
    const client = await openClickhouse(url, { clock: systemClock, log: { info: () => undefined }, cluster: null });
    for (const statement of logsDdl(client, 30)) await client.run(statement);
    await client.run("SYSTEM STOP MERGES logs");
    const clock = { ms: 0, monotonic: () => clock.ms };
    const pace = createPace(client, clock, 1);
    expect(pace()).toBe(1);
    for (let i = 0; i < 150; i++) {
      await client.run(`INSERT INTO logs (server, position, arrived) VALUES ('a', ${i + 1}, now64(3))`);
    }
    clock.ms += 10_000;
    expect(pace()).toBe(1);
    await until(() => pace() === 1.5, "the parts to be counted");
    await client.close();
  });
});
