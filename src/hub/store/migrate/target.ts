/** What a target must not be: somebody else's, or at work. */
import { sql } from "kysely";

import { Fault } from "#src/protocol/fault.ts";
import type { Clickhouse } from "../clickhouse/client.ts";
import { isEntry, logsTable } from "../clickhouse/logs-tables.ts";
import { databaseNow } from "../cluster/tables.ts";
import { stateTables } from "./state.ts";
import { type Side, tablesOf } from "./tables.ts";

export type { Side } from "./tables.ts";

/** Whether there is no row of a hub in either database. */
export async function isTargetEmpty(state: Side, people: Side, clickhouse: Clickhouse | null): Promise<boolean> {
  for (const [side, names] of [
    [state, stateTables],
    [people, ["user", "organization"]],
  ] as const) {
    const there = new Set(await tablesOf(side));
    for (const name of names) {
      if (!there.has(name)) continue;
      const row = await side.queries
        .selectFrom(name)
        .select(sql<number>`1`.as("one"))
        .limit(1)
        .executeTakeFirst();
      if (row !== undefined) return false;
    }
  }
  if (clickhouse === null) return true;
  const tables = await clickhouse.rows<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase()",
  );
  const names = tables.map(({ name }) => name);
  const questions = [
    [logsTable, isEntry],
    ["metric_samples", "1"],
    ["metric_rollups", "1"],
  ].filter(([name]) => names.includes(name ?? ""));
  for (const [name, where] of questions) {
    const rows = await clickhouse.rows(`SELECT 1 AS one FROM ${name} WHERE ${where} LIMIT 1`);
    if (rows.length > 0) return false;
  }
  return true;
}

/**
 * A hub that works on the database would not know of what is put under it.
 * @throws {Fault} `conflict`
 */
export async function refuseLiveHubs(state: Side): Promise<void> {
  if (!(await tablesOf(state)).includes("hubs")) return;
  const { rows } = await sql<{ host: string }>`
    SELECT host FROM hubs WHERE expires_at > ${databaseNow}
  `.execute(state.queries);
  if (rows.length === 0) return;
  const hosts = rows.map(({ host }) => host).join(", ");
  throw new Fault("conflict", `hubs work on the database: ${hosts}`, { hint: "Stop them, and run this again" });
}

/** Another text once any hub has committed anything. */
export async function activityOf(state: Side): Promise<string> {
  const { rows } = await sql<{ writers: string; head: string; errors: string }>`
    SELECT (SELECT coalesce(string_agg(id || ' ' || n, ',' ORDER BY id), '') FROM state_writers) AS writers,
      (SELECT head FROM log_head) AS head, (SELECT position FROM error_head) AS errors
  `.execute(state.queries);
  return JSON.stringify(rows);
}
