/** Rows of senders in the ledger. `locks`: whether rows can be locked, as PostgreSQL can. */
import { type Transaction, sql } from "kysely";

import { type Sender, readSender, writeSender } from "../deliveries.ts";
import type { LedgerTables } from "./ledger-tables.ts";

/** Rows of a statement: far below what the databases take as parameters. */
const rowsAtOnce = 1000;

/** `problem`: what is remembered of it can't be read. */
export type LockedSender = { readonly sender: Sender; readonly problem?: unknown };

/** What is remembered of senders, and until the transaction ends nobody else changes it. `names` are sorted. */
export async function lockSenders(
  trx: Transaction<LedgerTables>,
  names: readonly string[],
  locks: boolean,
): Promise<ReadonlyMap<string, LockedSender>> {
  const found = new Map<string, LockedSender>();
  for (let from = 0; from < names.length; from += rowsAtOnce) {
    const some = names.slice(from, from + rowsAtOnce);
    for (const [name, sender] of await select(trx, some, locks)) found.set(name, sender);
    const unknown = some.filter((name) => !found.has(name));
    if (unknown.length === 0) continue;
    // a row that is not there can't be locked; two hubs may both see a sender for the first time
    const rows = unknown.map((server) => rowOf(server, { ranges: [], batches: [] }));
    await trx
      .insertInto("log_senders")
      .values(rows)
      .onConflict((conflict) => conflict.column("server").doNothing())
      .execute();
    for (const [name, sender] of await select(trx, unknown, locks)) found.set(name, sender);
  }
  return found;
}

async function select(
  trx: Transaction<LedgerTables>,
  names: readonly string[],
  locks: boolean,
): Promise<readonly (readonly [string, LockedSender])[]> {
  if (names.length === 0) return [];
  const { rows } = locks
    ? await selectLocked(trx, names)
    : { rows: await trx.selectFrom("log_senders").selectAll().where("server", "in", names).execute() };
  return rows.map((row) => [row.server, read(row)]);
}

/** One parameter, however many they are: making a statement of hundreds costs more than all the rest. */
async function selectLocked(trx: Transaction<LedgerTables>, names: readonly string[]) {
  return await sql<LedgerTables["log_senders"]>`
    select server, ranges, batches, crc from log_senders
    where server = any (array(select json_array_elements_text(cast(cast(${JSON.stringify(names)} as text) as json))))
    order by server for update`.execute(trx);
}

function read(row: LedgerTables["log_senders"]): LockedSender {
  try {
    return { sender: readSender(row.server, row) };
  } catch (problem) {
    return { sender: { ranges: [], batches: [] }, problem };
  }
}

/** Writes senders whose rows are there, and locked where they can be. */
export async function putSenders(
  trx: Transaction<LedgerTables>,
  changed: ReadonlyMap<string, Sender>,
  locks: boolean,
): Promise<void> {
  const rows = [...changed].map(([server, sender]) => rowOf(server, sender));
  if (rows.length === 0) return;
  if (locks) {
    await sql`
      update log_senders set ranges = fresh.ranges, batches = fresh.batches, crc = fresh.crc
      from json_to_recordset(cast(cast(${JSON.stringify(rows)} as text) as json))
        as fresh(server text, ranges text, batches text, crc bigint)
      where log_senders.server = fresh.server`.execute(trx);
    return;
  }
  for (let from = 0; from < rows.length; from += rowsAtOnce) {
    await trx
      .insertInto("log_senders")
      .values(rows.slice(from, from + rowsAtOnce))
      .onConflict((conflict) =>
        conflict.column("server").doUpdateSet((row) => ({
          ranges: row.ref("excluded.ranges"),
          batches: row.ref("excluded.batches"),
          crc: row.ref("excluded.crc"),
        })),
      )
      .execute();
  }
}

function rowOf(server: string, sender: Sender): LedgerTables["log_senders"] {
  const { ranges, batches, crc } = writeSender(server, sender);
  return { server, ranges, batches, crc: crc ?? 0 };
}
