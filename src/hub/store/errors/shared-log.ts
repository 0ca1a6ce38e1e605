/**
 * The common log in Postgres. One hub at a time may add to it: the one that began its turn last. What it adds goes into one
 * transaction with a change of the log's head, which is refused once another turn has begun.
 */
import { type Kysely, type Transaction, sql } from "kysely";

import type { ErrorLogTables } from "./shared-tables.ts";

/** A reader takes as many rows as have this size together, and one at least; and so many at most. */
const readBytes = 4 * 1024 * 1024;
const readRows = 1000;

export type Snapshot = {
  readonly id: string;
  readonly position: number;
  readonly term: string;
  readonly parts: number;
};

export type Head = {
  readonly logId: string;
  /** the turn that may add */
  readonly term: string;
  readonly position: number;
  readonly snapshot: Snapshot | null;
};

export type LogRow = { readonly position: number; readonly term: string; readonly body: Uint8Array };

export type Addition = {
  readonly term: string;
  /** the log's end, where the rows follow */
  readonly after: number;
  readonly rows: readonly { readonly position: number; readonly body: Uint8Array }[];
  /** to requests, with what was done for them */
  readonly answers: readonly { readonly id: string; readonly answer: string; readonly position: number }[];
  /** that of its last row, which says that everything was made anew */
  readonly snapshot: Snapshot | null;
};

export type ErrorLog = {
  head(): Promise<Head>;
  /** Begins a turn: nobody else can add any more. */
  begin(term: string): Promise<Head>;
  /** Rows behind a position, with the one there before them if it is still in the log; that one without its body. */
  read(from: number): Promise<readonly LogRow[]>;
  /**
   * Adds all of it or nothing. @returns where the log ends now; a turn that is over has added nothing. An addition whose
   * answer was lost may be made again, with more behind it.
   */
  readonly add: (addition: Addition) => Promise<{ readonly over: boolean; readonly position: number }>;
  /** Bytes of the log behind a position. */
  bytesAfter(position: number): Promise<number>;
  /**
   * Makes a complete snapshot the newest, and forgets what nobody needs any more. false: the turn is over, or there is a
   * newer one.
   */
  publish(term: string, snapshot: Snapshot): Promise<boolean>;
  addPart(id: string, part: number, body: Uint8Array): Promise<void>;
  /** undefined: it is gone */
  part(id: string, part: number): Promise<Uint8Array | undefined>;
  /** Of a snapshot that is of no use, unless it has become the newest after all. */
  dropParts(id: string): Promise<void>;
};

/** `queries` for what is quick, `patient` for the parts of snapshots. */
export function createErrorLog(queries: Kysely<ErrorLogTables>, patient: Kysely<ErrorLogTables>): ErrorLog {
  const headQuery = queries.selectFrom("error_head").selectAll().where("id", "=", 1).compile();

  return {
    async head() {
      const { rows } = await queries.executeQuery(headQuery);
      return headOf(rows[0]);
    },
    async begin(term) {
      const update = queries.updateTable("error_head").set({ term }).where("id", "=", 1).returningAll();
      return headOf(await update.executeTakeFirst());
    },
    async read(from) {
      const { rows } = await sql<LogRow>`
        SELECT position, term, body FROM (
          SELECT position, term, bytes, CASE WHEN position = ${from} THEN ''::bytea ELSE body END AS body,
            sum(bytes) OVER (ORDER BY position) - bytes AS sum_before
          FROM error_log WHERE position >= ${from} AND position <= ${from + readRows}
        ) AS log_rows WHERE sum_before <= ${readBytes} ORDER BY position`.execute(queries);
      return rows;
    },
    async add({ term, after, rows, answers, snapshot }) {
      const position = rows.at(-1)?.position ?? after;
      return await queries.transaction().execute(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable("error_head")
          .set({ position })
          .where("id", "=", 1)
          .where("term", "=", term)
          .where("position", "=", after)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) {
          const head = headOf(await transaction.selectFrom("error_head").selectAll().executeTakeFirst());
          return { over: head.term !== term, position: head.position };
        }
        if (rows.length > 0) {
          const values = rows.map((row) => ({ ...row, term, bytes: row.body.length }));
          await transaction.insertInto("error_log").values(values).execute();
        }
        for (const { id, answer, position: at } of answers) {
          const done = transaction.updateTable("error_requests").set({ answer, position: at, progress: null });
          await done.where("id", "=", id).where("answer", "is", null).execute();
        }
        if (snapshot !== null) await putSnapshot(transaction, snapshot);
        return { over: false, position };
      });
    },
    async bytesAfter(position) {
      const { rows } = await sql<{ bytes: number }>`
        SELECT coalesce(sum(bytes), 0) AS bytes FROM error_log WHERE position > ${position}`.execute(queries);
      return rows[0]?.bytes ?? 0;
    },
    async publish(term, snapshot) {
      return await queries.transaction().execute(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable("error_head")
          .set({ term })
          .where("id", "=", 1)
          .where("term", "=", term)
          .where("position", ">=", snapshot.position)
          // one that everything made anew is in stays the newest: what came before can't be loaded any more
          .where("snapshot_position", "<", snapshot.position)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
        await putSnapshot(transaction, snapshot);
        return true;
      });
    },
    async addPart(id, part, body) {
      await patient.insertInto("error_snapshots").values({ id, part, body }).execute();
    },
    async part(id, part) {
      const query = patient.selectFrom("error_snapshots").select("body").where("id", "=", id).where("part", "=", part);
      return (await query.executeTakeFirst())?.body;
    },
    async dropParts(id) {
      await patient.transaction().execute(async (transaction) => {
        // not while it is being published
        const head = transaction.selectFrom("error_head").select("snapshot").where("id", "=", 1).forUpdate();
        if ((await head.executeTakeFirst())?.snapshot === id) return;
        await transaction.deleteFrom("error_snapshots").where("id", "=", id).execute();
      });
    },
  };
}

/** For whoever has the head. The log stays back to the snapshot before, so that a hub that lags need not load anything. */
async function putSnapshot(
  transaction: Transaction<ErrorLogTables>,
  { id, position, term, parts }: Snapshot,
): Promise<void> {
  const there = transaction.selectFrom("error_snapshots").where("id", "=", id);
  const { count } = await there.select((of) => of.fn.countAll<number>().as("count")).executeTakeFirstOrThrow();
  if (count !== parts) throw new Error(`a snapshot has ${count} of ${parts} parts`);
  const before = transaction.selectFrom("error_head").select("snapshot_position").where("id", "=", 1);
  await transaction.deleteFrom("error_log").where("position", "<", before).execute();
  const values = { snapshot: id, snapshot_position: position, snapshot_term: term, snapshot_parts: parts };
  await transaction.updateTable("error_head").set(values).where("id", "=", 1).execute();
  await transaction.deleteFrom("error_snapshots").where("id", "!=", id).execute();
}

function headOf(row: ErrorLogTables["error_head"] | undefined): Head {
  if (row === undefined) throw new Error("error_head has no row");
  const { snapshot: id, snapshot_position: position, snapshot_term: term, snapshot_parts: parts } = row;
  return {
    logId: row.log_id,
    term: row.term,
    position: row.position,
    snapshot: id === null ? null : { id, position, term, parts },
  };
}
