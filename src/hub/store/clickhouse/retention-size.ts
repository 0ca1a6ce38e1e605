/** What is too much goes: the oldest of a share, and the oldest of all. */
import type { Keeping } from "../log-port.ts";
import { type Client, type Day, dayMs, deleteWhere, dropDay, ofLogs, readDays, systemTable } from "./retention-days.ts";
import { isEntry, logsTable, onCluster, storedTable } from "./logs-tables.ts";
import { and, isOneOf, number } from "./search/sql.ts";

/** What an entry takes beside its texts, before it is compressed. */
const bytesOfEntry = 40;
/** A share that is too large is cut a little below its limit, so that it is not cut again at once. */
const slack = 0.05;
/** A day of which nearly all would go goes as a whole. */
const nearlyAll = 0.9;
/** How long what is known of the sizes of origins is gone on from, in milliseconds. */
const freshMs = dayMs;

/** What arrived on a day and is not deleted: bytes of each origin before they are compressed, and entries of all. */
type Weight = { readonly servers: Map<string, number>; lines: number };
/** By day. */
export type Weights = ReadonlyMap<string, Weight>;

/** Reads what origins have, and after the first time only what came since. */
export function createWeights(client: Client, monotonic: () => number) {
  let known = new Map<string, Weight>();
  let upTo = 0;
  let begunAt = -Infinity;
  return {
    async read(): Promise<Weights> {
      if (monotonic() - begunAt > freshMs) {
        known = new Map();
        upTo = 0;
        begunAt = monotonic();
      }
      const found = await client.rows<{ day: number; server: string; raw: number; lines: number; last: number }>(
        `SELECT toYYYYMMDD(arrived) AS day, server, toFloat64(sum(length(message) + length(fields) + ${bytesOfEntry})) AS raw, count() AS lines, toFloat64(max(position)) AS last FROM ${logsTable} WHERE ${isEntry} AND position > ${number(upTo)} GROUP BY day, server`,
        { timeoutMs: 600_000 },
      );
      for (const { day, server, raw, lines, last } of found) {
        const own = known.get(String(day)) ?? { servers: new Map<string, number>(), lines: 0 };
        known.set(String(day), own);
        own.servers.set(server, (own.servers.get(server) ?? 0) + raw);
        own.lines += lines;
        upTo = Math.max(upTo, last);
      }
      return known;
    },
    /** Something was deleted: it is read anew. */
    forget: () => void (begunAt = -Infinity),
  };
}

/** Deletes the oldest of a share that takes too much. @returns lines */
export async function cutShare(
  client: Client,
  { serverIds, bytes: most }: Keeping["shares"][number],
  weights: Weights,
  days: readonly Day[],
): Promise<number> {
  const own = days.map(({ day, rows, bytes }) => {
    const { servers = new Map<string, number>(), lines = 0 } = weights.get(day) ?? {};
    let [all, mine] = [0, 0];
    for (const [server, raw] of servers) {
      all += raw;
      if (serverIds.has(server)) mine += raw;
    }
    // what is deleted still takes its space, until parts are merged
    const visible = rows === 0 ? 0 : bytes * Math.min(1, lines / rows);
    return { day, bytes: all === 0 ? 0 : (mine / all) * visible };
  });
  const taken = own.reduce((sum, { bytes }) => sum + bytes, 0);
  if (taken <= most) return 0;
  let excess = taken - most * (1 - slack);
  let until = "";
  for (const { day, bytes } of own) {
    if (bytes > excess) {
      until = await oldestOf(client, day, excess / bytes, isOneOf("server", serverIds));
      break;
    }
    excess -= bytes;
    until = `toYYYYMMDD(arrived) <= ${day}`;
  }
  return await deleteWhere(client, and(isOneOf("server", serverIds), `(${until})`));
}

/** The condition for all before a day, and a part of what arrived on it. */
async function oldestOf(client: Client, day: string, part: number, among: string): Promise<string> {
  const [found] = await client.rows<{ last: number }>(
    `SELECT toFloat64(floor(quantile(${part})(position))) AS last FROM ${logsTable} WHERE toYYYYMMDD(arrived) = ${day} AND ${among}`,
  );
  return `toYYYYMMDD(arrived) < ${day} OR (toYYYYMMDD(arrived) = ${day} AND position <= ${number(found?.last ?? 0)})`;
}

/** Makes the oldest of all go while everything takes too much. @returns lines */
export async function cutAll(client: Client, most: number): Promise<number> {
  const days = [...(await readDays(client))];
  let excess = days.reduce((sum, { bytes }) => sum + bytes, 0) - most;
  let lines = 0;
  while (excess > 0) {
    const [oldest] = days;
    if (oldest === undefined) break;
    const isLast = days.length === 1;
    if (excess < oldest.bytes * nearlyAll || isLast) {
      lines += await cutDay(client, oldest, Math.min(1, excess / Math.max(1, oldest.bytes)));
      break;
    }
    await dropDay(client, oldest);
    lines += oldest.rows;
    excess -= oldest.bytes;
    days.shift();
  }
  return lines;
}

/** Deletes a part of a day, in the background of ClickHouse. */
async function cutDay(client: Client, { day }: Day, part: number): Promise<number> {
  // until it is done, nobody knows how much there is
  const [busy] = await client.rows<{ count: number }>(
    `SELECT count() AS count FROM ${systemTable(client, "mutations")} WHERE ${ofLogs(client)} AND NOT is_done`,
  );
  if ((busy?.count ?? 0) > 0) return 0;
  const condition = await oldestOf(client, day, part, isEntry);
  const [found] = await client.rows<{ lines: number }>(
    `SELECT count() AS lines FROM ${logsTable} WHERE (${condition}) AND ${isEntry}`,
  );
  // unlike a light deletion, it gives the space back by itself
  await client.run(
    `ALTER TABLE ${storedTable(client)}${onCluster(client)} DELETE WHERE (${condition}) AND ${isEntry}`,
    { settings: { mutations_sync: "0" } },
  );
  return found?.lines ?? 0;
}
