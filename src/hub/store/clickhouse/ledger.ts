/**
 * The ledger: decides which entries are new and which positions they have, in the database that all hubs share, before any
 * of them goes to ClickHouse. Every change is one transaction. What becomes of an insert, inserts.ts draws.
 */
import { type Kysely, type Transaction, sql } from "kysely";

import { Fault } from "#src/protocol/fault.ts";
import { type Added, type Delivery, type Verdict, judge } from "./ledger-judge.ts";
import { withoutRanges } from "./ledger-ranges.ts";
import { lockSenders, putSenders } from "./ledger-senders.ts";
import type { LedgerTables } from "./ledger-tables.ts";

/** Positions that came to nothing are remembered so long: whoever reads behind the newest entries needs them. */
const holesMs = 86_400_000;
/** A transaction that collides with another one is run again so many times. */
const mostTries = 5;

export type LedgerDatabase = {
  readonly queries: Kysely<LedgerTables>;
  /** Rows can be locked by those who read them; false: there is one writer anyway. */
  readonly locks: boolean;
  /** Whether a transaction failed only because of another one that ran at the same time. */
  readonly isCollision: (error: unknown) => boolean;
  readonly faultOf: (error: unknown) => Fault;
};

/** An insert that is on its way. */
export type NewInsert = {
  /** also its deduplication token */
  readonly id: string;
  readonly hub: string;
  readonly atMs: number;
  readonly shard: number;
  /** positions up to it are given, also where the database was put back to a time when they were not */
  readonly given: number;
  /** Whether another insert is one that this hub is sending. */
  readonly isInFlight: (id: string) => boolean;
};

export type PendingInsert = {
  readonly id: string;
  readonly hub: string;
  readonly firstPosition: number;
  readonly count: number;
};

export type Admitted = {
  /** of the first new entry; the others follow in the order of the deliveries */
  readonly firstPosition: number;
  /** new entries in all; 0: there is no insert */
  readonly count: number;
  /** one for each delivery */
  readonly verdicts: readonly Verdict[];
};

export type Ledger = {
  /**
   * Sorts deliveries into what is new and what is repeated, gives the new entries their positions, and notes the insert.
   * Rejects with a Fault: then it may have been done all the same, and the insert is among the pending ones.
   */
  admit(deliveries: readonly Delivery[], insert: NewInsert): Promise<Admitted>;
  /** The insert is in ClickHouse. False: it is no longer this hub's to say so. */
  confirm(id: string, hub: string): Promise<boolean>;
  /** The highest position given, and the inserts that are not known to be in ClickHouse, at one moment. */
  look(): Promise<{ readonly head: number; readonly pending: readonly PendingInsert[] }>;
  /** Positions up to this one are given. False: that is known already. */
  raise(head: number): Promise<boolean>;
  /** Makes an insert of a hub that is gone this one's to settle. False: another was faster. */
  claim(id: string, from: string, to: string): Promise<boolean>;
  /** Where an insert is to be looked for; undefined: it is settled. */
  find(
    id: string,
    hub: string,
  ): Promise<(PendingInsert & { readonly atMs: number; readonly shard: number }) | undefined>;
  /** The insert came to nothing and never will be: what it added is new again. False: it is not this hub's to say so. */
  drop(id: string, hub: string, nowMs: number): Promise<boolean>;
  /** How many positions between two came to nothing, of the last day. */
  holes(after: number, upTo: number): Promise<number>;
};

export function createLedger(database: LedgerDatabase): Ledger {
  const { queries, locks, isCollision, faultOf } = database;

  async function transact<T>(work: (trx: Transaction<LedgerTables>) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await queries.transaction().execute(work);
      } catch (error) {
        if (tries < mostTries && isCollision(error)) continue;
        throw error instanceof Fault ? error : faultOf(error);
      }
    }
  }

  async function ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof Fault ? error : faultOf(error);
    }
  }

  async function pendingBodies(trx: Transaction<LedgerTables>) {
    const rows = await trx.selectFrom("log_inserts").select(["id", "hub", "body"]).execute();
    return rows.map(({ id, hub, body }) => ({ id, hub, senders: Object.keys(readBody(body)) }));
  }

  return {
    admit: (deliveries, insert) =>
      transact(async (trx) => {
        const names = [...new Set(deliveries.map(({ serverId }) => serverId))].sort();
        const senders = await lockSenders(trx, names, locks);
        const judged = await judge(deliveries, senders, insert, () => pendingBodies(trx));
        await putSenders(trx, judged.changed, locks);
        const { verdicts, count } = judged;
        if (count === 0) return { firstPosition: 0, count, verdicts };
        // last, since every other hub waits for it: so positions are committed in their order
        const { head } = await trx
          .updateTable("log_head")
          .set({ head: sql<number>`case when head < ${insert.given} then ${insert.given} else head end + ${count}` })
          .returning("head")
          .executeTakeFirstOrThrow();
        const firstPosition = head - count + 1;
        const { id, hub, atMs: at, shard } = insert;
        const body = JSON.stringify(judged.added);
        await trx
          .insertInto("log_inserts")
          .values({ id, hub, first_position: firstPosition, count, at, shard, body })
          .execute();
        return { firstPosition, count, verdicts };
      }),
    confirm: (id, hub) =>
      ask(async () => {
        const { numDeletedRows } = await queries
          .deleteFrom("log_inserts")
          .where("id", "=", id)
          .where("hub", "=", hub)
          .executeTakeFirst();
        return numDeletedRows > 0n;
      }),
    look: () =>
      ask(async () => {
        const rows = await queries
          .selectFrom("log_head")
          .leftJoin("log_inserts", (join) => join.onTrue())
          .select(["head", "log_inserts.id", "hub", "first_position", "count"])
          .execute();
        const pending = rows.flatMap(({ id, hub, first_position: firstPosition, count }) =>
          id === null || hub === null || firstPosition === null || count === null
            ? []
            : [{ id, hub, firstPosition, count }],
        );
        return { head: rows[0]?.head ?? 0, pending };
      }),
    raise: (head) =>
      ask(async () => {
        const { numUpdatedRows } = await queries
          .updateTable("log_head")
          .set({ head })
          .where("head", "<", head)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    claim: (id, from, to) =>
      ask(async () => {
        const { numUpdatedRows } = await queries
          .updateTable("log_inserts")
          .set({ hub: to })
          .where("id", "=", id)
          .where("hub", "=", from)
          .executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    find: (id, hub) =>
      ask(async () => {
        const row = await queries
          .selectFrom("log_inserts")
          .select(["first_position", "count", "at", "shard"])
          .where("id", "=", id)
          .where("hub", "=", hub)
          .executeTakeFirst();
        if (row === undefined) return undefined;
        return { id, hub, firstPosition: row.first_position, count: row.count, atMs: row.at, shard: row.shard };
      }),
    drop: (id, hub, nowMs) =>
      transact(async (trx) => {
        const row = await trx
          .deleteFrom("log_inserts")
          .where("id", "=", id)
          .where("hub", "=", hub)
          .returning(["first_position", "count", "body"])
          .executeTakeFirst();
        if (row === undefined) return false;
        const added = readBody(row.body);
        const senders = await lockSenders(trx, Object.keys(added).sort(), locks);
        const changed = new Map(
          Object.entries(added).map(([server, { ranges, batches }]) => {
            const { ranges: seen = [], batches: named = [] } = senders.get(server)?.sender ?? {};
            return [
              server,
              { ranges: withoutRanges(seen, ranges), batches: named.filter((key) => !batches.includes(key)) },
            ];
          }),
        );
        await putSenders(trx, changed, locks);
        await trx
          .deleteFrom("log_holes")
          .where("at", "<", nowMs - holesMs)
          .execute();
        await trx
          .insertInto("log_holes")
          .values({ first_position: row.first_position, count: row.count, at: nowMs })
          .execute();
        return true;
      }),
    holes: (after, upTo) =>
      ask(async () => {
        const rows = await queries
          .selectFrom("log_holes")
          .select("count")
          .where("first_position", ">", after)
          .where("first_position", "<=", upTo)
          .execute();
        return rows.reduce((sum, { count }) => sum + count, 0);
      }),
  };
}

function readBody(body: string): Readonly<Record<string, Added>> {
  return JSON.parse(body) as Record<string, Added>;
}
