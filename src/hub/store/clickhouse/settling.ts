/**
 * Settles inserts whose outcome nobody knows: own ones that failed, and those of hubs that are gone (states: inserts.ts). A
 * mark goes in with the insert's own token, into the partition where it would be: afterwards either the entries are there,
 * or the mark is, and whatever is still on its way adds nothing.
 */
import type { Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import type { Cluster } from "../cluster/port.ts";
import type { Clickhouse } from "./client.ts";
import type { Ledger, PendingInsert } from "./ledger.ts";
import { isEntry, logsTable, storedTable } from "./logs-tables.ts";
import { insertSql, markBody } from "./native-insert.ts";
import type { Shards } from "./shards.ts";

/** Whether a hub is gone is asked again only after this long. */
const askGoneEveryMs = 1000;
const mostHubs = 1000;
/** A settling that fails is said again only after this long. */
const sayEveryMs = 60_000;
const timeoutMs = 5000;

export type SettlingWorld = {
  readonly client: Clickhouse;
  readonly ledger: Ledger;
  readonly cluster: Pick<Cluster, "hubId" | "isGone">;
  readonly shards: Shards;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Whether an insert is being sent by this hub. */
  readonly isInFlight: (id: string) => boolean;
};

export type Settling = {
  /**
   * Settles what of the pending inserts is this hub's to settle, one after the other; what can't be settled now stays
   * pending. Never rejects. @returns how many were settled
   */
  readonly settle: (pending: readonly PendingInsert[]) => Promise<number>;
  /** An insert of this hub has failed: until everything is settled nothing new need be tried. */
  readonly fail: (why: string) => void;
  /** Why not all could be settled yet; null: nothing is left, so ClickHouse takes what it is given. */
  readonly problem: () => string | null;
};

export function createSettling(world: SettlingWorld): Settling {
  const { client, ledger, cluster, shards, clock, log, isInFlight } = world;
  const seldom = createSeldom(clock, sayEveryMs);
  /** when it was last asked of a hub whether it is gone */
  const askedGone = new Map<string, number>();
  let problem: string | null = null;

  /** Makes it this hub's. False: it is another's, or settled. */
  async function take({ id, hub }: PendingInsert): Promise<boolean> {
    const own = cluster.hubId();
    if (hub === own) return !isInFlight(id);
    return (await isGone(hub)) && (await ledger.claim(id, hub, own));
  }

  async function isGone(hub: string): Promise<boolean> {
    const now = clock.monotonic();
    if (now < (askedGone.get(hub) ?? Number.NEGATIVE_INFINITY) + askGoneEveryMs) return false;
    if (askedGone.size > mostHubs) askedGone.clear();
    askedGone.set(hub, now);
    const gone = await cluster.isGone(hub);
    // all that it has left, at once
    if (gone) askedGone.delete(hub);
    return gone;
  }

  async function settleOne(pending: PendingInsert): Promise<boolean> {
    if (!(await take(pending))) return false;
    const own = cluster.hubId();
    const { id } = pending;
    const insert = await ledger.find(id, own);
    if (insert === undefined) return false;
    const { firstPosition, count, atMs, shard } = insert;
    await client.insert({
      sql: insertSql(logsTable),
      body: await markBody(firstPosition, atMs),
      token: id,
      settings: shards.settings(shard),
      timeoutMs,
    });
    const found = await look(firstPosition, count, atMs);
    if (found === "unknown") throw new Error("the replica that has it is away");
    const isOurs = found === "entries" ? await ledger.confirm(id, own) : await ledger.drop(id, own, clock.now());
    if (isOurs) {
      const what = found === "entries" ? "are stored" : "are not stored, and are taken when they come again";
      log.info(`${count} log entries of which that was not known ${what}`);
    }
    return isOurs;
  }

  /** What is where the insert's entries would be. */
  async function look(first: number, count: number, atMs: number): Promise<"entries" | "nothing" | "unknown"> {
    const { cluster: name, database } = client;
    // asked of every replica that is there: the one that took it may not have passed it on yet
    const table =
      name === null ? logsTable : `clusterAllReplicas('${name}', '${database}', '${storedTable({ cluster: name })}')`;
    const [row] = await client.rows<{ entries: number; marks: number }>(
      `SELECT countIf(${isEntry}) AS entries, countIf(NOT (${isEntry})) AS marks FROM ${table}
       WHERE position >= {first: UInt64} AND position < {end: UInt64}
       AND arrived = fromUnixTimestamp64Milli({at: Int64}, 'UTC')`,
      {
        parameters: { first, end: first + count, at: atMs },
        ...(name === null ? {} : { settings: { skip_unavailable_shards: 1 } }),
        timeoutMs,
      },
    );
    if ((row?.entries ?? 0) > 0) return "entries";
    return (row?.marks ?? 0) > 0 || name === null ? "nothing" : "unknown";
  }

  return {
    async settle(pending) {
      let settled = 0;
      let failure: string | null = null;
      for (const one of pending) {
        try {
          if (await settleOne(one)) settled++;
        } catch (error) {
          failure = reasonOf(error);
          if (seldom("settle")) log.warn(`it is not known yet whether some log entries are stored: ${failure}`);
          // what ails one ails the others
          break;
        }
      }
      problem = failure;
      return settled;
    },
    fail(why) {
      problem = why;
    },
    problem: () => problem,
  };
}
