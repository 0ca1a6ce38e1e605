/** What is remembered of senders, and the newest position: between `logs.db` and the ledger of logs in ClickHouse. */
import type { Kysely } from "kysely";

import { readSender, writeSender } from "../deliveries.ts";
import type { LedgerTables } from "../clickhouse/ledger-tables.ts";
import type { StoredSender } from "./embedded-logs.ts";
import { type Sums, addSum } from "./sums.ts";

/** Rows of a statement. */
const rowsAtOnce = 500;
/** Of which what a sender remembers is one, and the newest position another. */
const sendersKey = "senders of log lines";
const headKey = "newest position of log lines";

export type Remembered = { readonly head: number; readonly senders: readonly StoredSender[] };

/** Makes the ledger remember this, and nothing else. */
export async function putLedger(queries: Kysely<LedgerTables>, { head, senders }: Remembered): Promise<void> {
  await queries.transaction().execute(async (trx) => {
    await trx.deleteFrom("log_senders").execute();
    await trx.deleteFrom("log_holes").execute();
    await trx.updateTable("log_head").set({ head }).execute();
    for (let from = 0; from < senders.length; from += rowsAtOnce) {
      const rows = senders.slice(from, from + rowsAtOnce).map(({ server, ...row }) => {
        const { crc, ...rest } = writeSender(server, readSender(server, row));
        return { server, ...rest, crc: crc ?? 0 };
      });
      await trx.insertInto("log_senders").values(rows).execute();
    }
  });
}

export async function readLedger(queries: Kysely<LedgerTables>): Promise<Remembered> {
  const { head } = await queries.selectFrom("log_head").select("head").executeTakeFirstOrThrow();
  const rows = await queries.selectFrom("log_senders").selectAll().orderBy("server").execute();
  return { head, senders: rows };
}

/** For a comparison of both sides. */
export function sumRemembered({ head, senders }: Remembered): Sums {
  const sums: Sums = new Map([[headKey, { count: 1, sum: BigInt(head) }]]);
  addSum(sums, sendersKey, 0, 0n);
  for (const { server, ...row } of senders) {
    const { ranges, batches } = readSender(server, row);
    addSum(sums, sendersKey, 1, Bun.hash.xxHash64(JSON.stringify([server, ranges, batches])));
  }
  return sums;
}
