/** The table of log entries in ClickHouse, filled by a migration. */
import type { Clickhouse, Settings } from "../clickhouse/client.ts";
import { isEntry, logsDdl, logsTable } from "../clickhouse/logs-tables.ts";
import { insertBody, insertSql } from "../clickhouse/native-insert.ts";
import { keepFor } from "../clickhouse/retention-age.ts";
import { readShards } from "../clickhouse/shards.ts";
import { keyOf, sumsSql } from "./log-sums.ts";
import type { Counts, LogTarget } from "./logs.ts";
import { type Sums, addSum } from "./sums.ts";

/** Much of it is read. */
const checkTimeoutMs = 3600_000;
/** Positions that are compared in one statement. */
const positionsAtOnce = 4_000_000;
const insertTimeoutMs = 120_000;

export type ClickhouseLogTarget = LogTarget & {
  isEmpty(): Promise<boolean>;
};

/** Makes the tables where there are none. They forget nothing until a hub starts on them and says for how long it keeps what. */
export async function openClickhouseLogTarget(client: Clickhouse): Promise<ClickhouseLogTarget> {
  for (const statement of logsDdl(client, Infinity)) await client.run(statement);
  await keepFor(client, Infinity);
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
        { timeoutMs: insertTimeoutMs },
      );
      return row?.lines ?? 0;
    },
    async sums(after, upTo, seen, signal) {
      const sums: Sums = new Map();
      for (let from = after; from < upTo; from += positionsAtOnce) {
        const to = Math.min(from + positionsAtOnce, upTo);
        const rows = await client.rows<{ day: string; server: string; lines: number; sum: string }>(
          sumsSql(logsTable, `position > ${from} AND position <= ${to} AND ${isEntry}`),
          { timeoutMs: checkTimeoutMs, ...(signal === undefined ? {} : { signal }) },
        );
        for (const { day, server, lines, sum } of rows) {
          addSum(sums, keyOf(Number(day), server), lines, BigInt(sum));
          seen(lines);
        }
      }
      return sums;
    },
    counts: () => countLines(client),
    async isEmpty() {
      const [row] = await client.rows<{ lines: number }>(`SELECT count() AS lines FROM ${logsTable} WHERE ${isEntry}`);
      return (row?.lines ?? 0) === 0;
    },
  };
}

/** Lines by server. */
export async function countLines(client: Pick<Clickhouse, "rows">): Promise<Counts> {
  const rows = await client.rows<{ name: string; lines: number }>(
    `SELECT toString(server) AS name, count() AS lines FROM ${logsTable} WHERE ${isEntry} GROUP BY name`,
    { timeoutMs: checkTimeoutMs },
  );
  return new Map(rows.map(({ name, lines }) => [name, lines]));
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
