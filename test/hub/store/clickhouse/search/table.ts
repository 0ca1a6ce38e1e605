/** A table of logs with given entries, and searches of it in this thread. */
import { logsDdl, storedTable } from "#src/hub/store/clickhouse/logs-tables.ts";
import { type Clickhouse, openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { insertBody, insertSql } from "#src/hub/store/clickhouse/native-insert.ts";
import type { FindWorld } from "#src/hub/store/clickhouse/search/find.ts";
import { createReading } from "#src/hub/store/clickhouse/search/reading.ts";
import { createSpread } from "#src/hub/store/clickhouse/search/spread.ts";
import { systemClock } from "#src/lib/clock.ts";
import { columnsOf } from "#src/protocol/columns/builder.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import { type Clickhouse as Server, sharedClickhouse } from "#test/kit/clickhouse.ts";
import type { Line } from "#test/hub/store/search/memory-reader.ts";

export type Table = AsyncDisposable & {
  readonly client: Clickhouse;
  readonly url: string;
  readonly world: FindWorld;
  /** Stores entries; the id of each is its position. Each call is one day of arrival. */
  fill(lines: readonly Line[], arrivedMs?: number): Promise<void>;
  insert(serverId: string, firstPosition: number, columns: LogColumns, arrivedMs?: number): Promise<void>;
  empty(): Promise<void>;
};

/** `days`: how long the table keeps what arrives. */
export async function openTable(clickhouse?: Server, days = 9_000): Promise<Table> {
  const url = await (clickhouse ?? (await sharedClickhouse())).freshDatabase();
  const client = await openClickhouse(url, { clock: systemClock, log: { info() {} }, cluster: null });
  for (const sql of logsDdl({ database: client.database, cluster: null }, days)) await client.run(sql);
  const own = { reading: createReading(client), ...systemClock };
  const table = storedTable(client);
  async function insert(serverId: string, firstPosition: number, columns: LogColumns, arrivedMs = Date.now()) {
    const body = await insertBody([{ serverId, firstPosition, columns }], arrivedMs);
    await client.insert({ sql: insertSql(table), body, token: crypto.randomUUID() });
  }
  return {
    client,
    url,
    world: { ...own, spread: createSpread(own) },
    async fill(lines, arrivedMs = Date.now()) {
      const stretches = lines.map(({ entry, ms }) => ({
        serverId: entry.serverId,
        firstPosition: Number(entry.id),
        columns: columnsOf([entry], [ms]),
      }));
      if (stretches.length === 0) return;
      const body = await insertBody(stretches, arrivedMs);
      await client.insert({ sql: insertSql(table), body, token: crypto.randomUUID() });
    },
    insert,
    empty: () => client.run(`TRUNCATE TABLE ${table}`),
    async [Symbol.asyncDispose]() {
      await client.close();
    },
  };
}
