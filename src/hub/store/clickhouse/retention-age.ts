/** What is too old goes: whole days of arrival that nobody keeps, and of others what some keep for less long. */
import type { Keeping } from "../log-port.ts";
import { type Client, type Day, dayMs, deleteWhere, dropDay } from "./retention-days.ts";
import { setExpiry } from "./expiry.ts";
import { isEntry, logsExpiry, logsTable, onCluster, storedTable } from "./logs-tables.ts";
import { and, isOneOf, number } from "./search/sql.ts";

/** Servers named in one statement: a cluster hands it on in one message of less than a megabyte. */
const serversAtOnce = 2000;
/**
 * What is kept longest goes with its day of arrival. Only what is older than that by so much, because it has arrived late, is
 * worth a deletion. Milliseconds.
 */
const lateMs = 2 * dayMs;

export type AgeLimits = {
  /** Since when everything is kept by somebody, in milliseconds since the epoch; -Infinity: from ever on. */
  readonly longestMs: number;
  /** origins by since when they are kept */
  readonly groups: ReadonlyMap<number, readonly string[]>;
};

export async function readAgeLimits(client: Client, since: Keeping["since"]): Promise<AgeLimits> {
  const found = await client.rows<{ server: string }>(`SELECT DISTINCT server FROM ${logsTable} WHERE ${isEntry}`);
  const groups = new Map<number, string[]>();
  for (const { server } of found) {
    const from = since(server);
    const group = groups.get(from);
    if (group === undefined) groups.set(from, [server]);
    else group.push(server);
  }
  // also those that have nothing yet
  return { longestMs: Math.min(since(""), ...groups.keys()), groups };
}

/** Sets how long the table itself keeps what arrives, where it keeps it for another time. */
export async function keepFor(client: Client, days: number): Promise<void> {
  const table = storedTable(client);
  await setExpiry(client, table, `${table}${onCluster(client)}`, logsExpiry(days));
}

/** Drops the days that are over for everybody. @returns lines */
export async function dropOldDays(client: Client, days: readonly Day[], longestMs: number): Promise<number> {
  let lines = 0;
  for (const day of days) {
    if (day.beginMs + dayMs > longestMs) break;
    await dropDay(client, day);
    lines += day.rows;
  }
  return lines;
}

/** Deletes what of some origins is too old. @returns lines */
export async function deleteOld(
  client: Client,
  fromMs: number,
  servers: readonly string[],
  isLongest: boolean,
): Promise<number> {
  let lines = 0;
  for (let i = 0; i < servers.length; i += serversAtOnce) {
    const own = isOneOf("server", servers.slice(i, i + serversAtOnce));
    // what a wrong clock has dated ahead is as old as its arrival
    const old = isLongest
      ? `(at < ${number(fromMs - lateMs)})`
      : `(at < ${number(fromMs)} OR arrived < fromUnixTimestamp64Milli(${number(fromMs)}, 'UTC'))`;
    lines += await deleteWhere(client, and(own, old));
  }
  return lines;
}
