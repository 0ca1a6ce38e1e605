/** The table of log entries in ClickHouse, filled by a migration. */
import type { Clickhouse, Settings } from "../clickhouse/client.ts";
import { isEntry, logsDdl, logsTable } from "../clickhouse/logs-tables.ts";
import { insertBody, insertSql } from "../clickhouse/native-insert.ts";
import { readShards } from "../clickhouse/shards.ts";
import { keyOf, sumsSql } from "./log-sums.ts";
import type { LogTarget } from "./logs.ts";
import { type Sums, addSum } from "./sums.ts";

/** All of it is read once. */
const checkTimeoutMs = 24 * 3600_000;
const insertTimeoutMs = 120_000;

export type ClickhouseLogTarget = LogTarget & {
  isEmpty(): Promise<boolean>;
};

/** Makes the tables where there are none. @param days how long the longest kept entries are kept */
export async function openClickhouseLogTarget(client: Clickhouse, days: number): Promise<ClickhouseLogTarget> {
  for (const statement of logsDdl(client, days)) await client.run(statement);
  const settingsOf = await spread(client);
  return {
    async write(runs, { insertId, arrivedMs }) {
      const body = await insertBody(runs, arrivedMs);
      const settings = settingsOf(insertId);
      await client.insert({ sql: insertSql(logsTable), body, token: insertId, settings, timeoutMs: insertTimeoutMs });
    },
    async linesOf({ first, last }) {
      const [row] = await client.rows<{ lines: number }>(
        `SELECT count() AS lines FROM ${logsTable} WHERE position BETWEEN ${first} AND ${last} AND ${isEntry}`,
      );
      return row?.lines ?? 0;
    },
    async sums(upTo, seen) {
      const rows = await client.rows<{ day: string; server: string; lines: number; sum: string }>(
        sumsSql(logsTable, `position <= ${upTo} AND ${isEntry}`),
        { timeoutMs: checkTimeoutMs },
      );
      const sums: Sums = new Map();
      for (const { day, server, lines, sum } of rows) {
        addSum(sums, keyOf(Number(day), server), lines, BigInt(sum));
        seen(lines);
      }
      return sums;
    },
    async isEmpty() {
      const [row] = await client.rows<{ lines: number }>(`SELECT count() AS lines FROM ${logsTable} WHERE ${isEntry}`);
      return (row?.lines ?? 0) === 0;
    },
  };
}

/** A whole insert goes to one shard, and a repeated one to the same: there its token is known. */
async function spread(client: Clickhouse): Promise<(insertId: string) => Settings> {
  const { cluster } = client;
  if (cluster === null) return () => ({});
  const shards = await readShards(client);
  const [row] = await client.rows<{ count: number }>(
    "SELECT max(shard_num) AS count FROM system.clusters WHERE cluster = {cluster: String}",
    { parameters: { cluster } },
  );
  const count = Math.max(1, row?.count ?? 1);
  return (insertId) => shards.settings(1 + (Bun.hash.crc32(insertId) % count));
}
