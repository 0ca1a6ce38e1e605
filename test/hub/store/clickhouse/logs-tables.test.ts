import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { identityDdl } from "#src/hub/store/clickhouse/identity.ts";
import { logsDdl, onCluster, readInsertSettings, storedTable } from "#src/hub/store/clickhouse/logs-tables.ts";
import { dearIndexes } from "#src/hub/store/clickhouse/search/indexes.ts";
import { spreadOver } from "#src/hub/store/clickhouse/shards.ts";
import { systemClock } from "#src/lib/clock.ts";
import { haveClickhouse, sharedClickhouse } from "#test/kit/clickhouse.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const world = { clock: systemClock, log: { info: () => undefined }, cluster: null };

describe("tables of logs", () => {
  test("on a cluster are replicated on each shard, with one table for all of them", () => {
    const place = { database: "orion", cluster: "main" };
    const [stored = "", all = ""] = logsDdl(place, 30.2);
    expect(stored).toStartWith("CREATE TABLE IF NOT EXISTS logs_local ON CLUSTER `main` (");
    expect(stored).toContain(
      "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/orion/logs_local', '{replica}')\nPARTITION BY toYYYYMMDD(arrived)",
    );
    expect(stored).toContain("TTL toDateTime(arrived) + toIntervalDay(31)\nSETTINGS");
    expect(stored).toContain("replicated_deduplication_window = 50000");
    expect(all).toBe(
      "CREATE TABLE IF NOT EXISTS logs ON CLUSTER `main` AS logs_local\nENGINE = Distributed('main', 'orion', 'logs_local', cityHash64(server))",
    );
    expect([storedTable(place), onCluster(place)]).toEqual(["logs_local", " ON CLUSTER `main`"]);
  });

  test("on a cluster have their place's name on every server, whatever shard that is of", () => {
    expect(identityDdl({ database: "orion", cluster: "main" })).toBe(
      "CREATE TABLE IF NOT EXISTS hub_identity ON CLUSTER `main` (id String, made DateTime('UTC') DEFAULT now()) " +
        "ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/orion/hub_identity', '{shard}-{replica}') ORDER BY id",
    );
  });

  test("inserts take the shards of a cluster in turn, and wait for most replicas where there are three", () => {
    const shards = spreadOver([
      { shard: 1, weight: 2, replicas: 3 },
      { shard: 2, weight: 1, replicas: 2 },
    ]);
    expect(Array.from({ length: 6 }, shards.next).toSorted((a, b) => a - b)).toEqual([1, 1, 1, 1, 2, 2]);
    expect(shards.settings(1)).toEqual({
      insert_shard_id: "1",
      insert_distributed_sync: "1",
      insert_quorum: "auto",
      insert_quorum_parallel: "1",
    });
    expect(shards.settings(2)).toEqual({ insert_shard_id: "2", insert_distributed_sync: "1" });
  });

  test.skipIf(!haveClickhouse)(
    "have the dear indexes of what was inserted once it is merged (needs ClickHouse)",
    async () => {
      const url = await (await sharedClickhouse()).freshDatabase();
      const client = await openClickhouse(url, world);
      for (const statement of logsDdl(client, 30)) await client.run(statement);
      const settings = await readInsertSettings(client);
      for (const position of [1, 2]) {
        const row = `SELECT 'a', ${position}, 'some words', now64(3)`;
        await client.run(`INSERT INTO logs (server, position, message, arrived) ${row}`, { settings });
      }
      const indexes = async () =>
        await client.rows<{ name: string; bytes: number }>(
          "SELECT name, data_compressed_bytes AS bytes FROM system.data_skipping_indices WHERE database = currentDatabase()",
        );
      const missing = (await indexes()).filter(({ bytes }) => bytes === 0).map(({ name }) => name);
      expect(missing.toSorted()).toEqual(dearIndexes.toSorted());
      await client.run("OPTIMIZE TABLE logs FINAL");
      expect((await indexes()).filter(({ bytes }) => bytes === 0)).toEqual([]);
      // an older one does not know of it
      expect(await readInsertSettings({ rows: async () => [] })).toEqual({});
      await client.close();
    },
  );

  test.skipIf(!haveClickhouse)("are made once by many hubs that start together (needs ClickHouse)", async () => {
    const url = await (await sharedClickhouse()).freshDatabase();
    const clients = await Promise.all(Array.from({ length: 8 }, () => openClickhouse(url, world)));
    await Promise.all(
      clients.map(async (client) => {
        for (const statement of logsDdl(client, 30)) await client.run(statement);
      }),
    );
    const [client] = clients;
    expect(await client?.rows("SELECT name FROM system.tables WHERE database = currentDatabase()")).toEqual([
      { name: "logs" },
    ]);
    // a cluster can't be had here, but its statements are ones
    for (const statement of logsDdl({ database: "orion", cluster: "main" }, 30)) {
      await client?.rows(`EXPLAIN AST ${statement}`);
    }
    for (const each of clients) await each.close();
  });
});
