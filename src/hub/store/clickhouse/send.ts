/** The hot way in: whole columns as one body, with a token by which ClickHouse knows a repeated one. */
import { type ClickHouseSettings, parseError } from "@clickhouse/client-web";

import type { Place } from "./address.ts";
import { clickhouseFault } from "./faults.ts";

export type Insert = {
  /** `INSERT INTO t (a, b) FORMAT Native` */
  readonly sql: string;
  /** compressed with zstd */
  readonly body: Uint8Array<ArrayBuffer>;
  /** one that was seen before adds nothing */
  readonly token: string;
  readonly settings?: ClickHouseSettings;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/**
 * Sends an INSERT and waits until it is done. Rejects with a Fault: then it may have been done or not, and may yet be; the
 * same token makes sure that it is not done twice.
 */
export async function sendInsert(place: Place, insert: Insert, usualTimeoutMs: number): Promise<void> {
  const { sql, body, token, settings = {}, timeoutMs = usualTimeoutMs, signal } = insert;
  const parameters = new URLSearchParams({
    query: sql,
    database: place.database,
    // the hub gathers; a server that does it once more would answer before it has anything
    async_insert: "0",
    insert_deduplicate: "1",
    insert_deduplication_token: token,
    // whatever the server is set to, one body is one part, so that all of it is there or nothing
    max_partitions_per_insert_block: "1",
    wait_end_of_query: "1",
  });
  for (const [name, value] of Object.entries(settings)) parameters.set(name, String(value));
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${place.origin}/?${parameters.toString()}`, {
      method: "POST",
      body,
      headers: { authorization: authorizationOf(place), "content-encoding": "zstd" },
      signal: signal === undefined ? late : AbortSignal.any([late, signal]),
    });
    const text = await response.text();
    if (response.ok && !response.headers.has("x-clickhouse-exception-code")) return;
    throw parseError(text.trim() === "" ? `status ${response.status}` : text);
  } catch (error) {
    throw clickhouseFault(late.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error, place.address);
  }
}

function authorizationOf({ username, password }: Place): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
