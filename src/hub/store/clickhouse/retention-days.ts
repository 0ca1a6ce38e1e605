/** The days of arrival that the table is divided by, and what they take. */
import type { Clickhouse } from "./client.ts";
import { logsTable, onCluster, storedTable } from "./logs-tables.ts";
import { quote } from "./search/sql.ts";

export const dayMs = 86_400_000;

/** How long deleting may take, in milliseconds: what is dropped goes at once, but replicas may be busy. */
const deletingMs = 600_000;

export type Client = Pick<Clickhouse, "rows" | "run" | "cluster" | "database">;

export type Day = {
  /** `20260131` */
  readonly day: string;
  readonly beginMs: number;
  readonly rows: number;
  readonly bytes: number;
  readonly parts: number;
};

/** A table of the server's own about itself; of a cluster, of one replica of each shard. */
export function systemTable({ cluster }: Pick<Client, "cluster">, name: "parts" | "mutations"): string {
  return cluster === null ? `system.${name}` : `cluster(${quote(cluster)}, system.${name})`;
}

/** Of the table of logs. */
export function ofLogs(client: Pick<Client, "cluster" | "database">): string {
  return `database = ${quote(client.database)} AND table = ${quote(storedTable(client))}`;
}

/** The oldest first. */
export async function readDays(client: Client): Promise<readonly Day[]> {
  const found = await client.rows<Omit<Day, "beginMs">>(
    `SELECT partition_id AS day, toFloat64(sum(rows)) AS rows, toFloat64(sum(bytes_on_disk)) AS bytes, count() AS parts FROM ${systemTable(client, "parts")} WHERE active AND ${ofLogs(client)} GROUP BY day ORDER BY day`,
  );
  return found.map((day) => ({ ...day, beginMs: beginOf(day.day) }));
}

function beginOf(day: string): number {
  return Date.UTC(Number(day.slice(0, 4)), Number(day.slice(4, 6)) - 1, Number(day.slice(6, 8)));
}

/** Takes a whole day away. */
export async function dropDay(client: Client, { day }: Day): Promise<void> {
  const table = `${storedTable(client)}${onCluster(client)}`;
  await client.run(`ALTER TABLE ${table} DROP PARTITION ID ${quote(day)}`, { timeoutMs: deletingMs });
}

/**
 * Makes entries go that fulfil a condition: nobody sees them any more when this resolves, and their space is given back as
 * parts are merged. @returns how many
 */
export async function deleteWhere(client: Client, condition: string): Promise<number> {
  const [found] = await client.rows<{ lines: number }>(`SELECT count() AS lines FROM ${logsTable} WHERE ${condition}`);
  const lines = found?.lines ?? 0;
  const table = `${storedTable(client)}${onCluster(client)}`;
  // a deletion costs something even when it finds nothing
  if (lines > 0) await client.run(`DELETE FROM ${table} WHERE ${condition}`, { timeoutMs: deletingMs });
  return lines;
}
