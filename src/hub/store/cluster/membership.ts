/**
 * Who of the hubs lives. Each has a lease in the database, by the database's clock, and renews it; the first that finds
 * one run out deletes it, and from then on that hub is gone. A hub believes in its own lease for less long than the
 * others do, and doubts others only after watching them for a whole lease: a database that was away, or whose clock has
 * jumped, makes nobody gone.
 *
 * @remarks With the usual times, a hub that dies is gone after 8 to 13 s.
 */
import { type Kysely, sql } from "kysely";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { createCalls } from "./calls.ts";
import { type ClusterTables, databaseNow } from "./tables.ts";
import { createTurn } from "./turn.ts";

export type MembershipTimes = {
  /** how long a lease is good in the database */
  readonly leaseMs: number;
  /** how long after asking for it a hub itself believes in it */
  readonly memberMs: number;
  readonly renewMs: number;
};

export const usualTimes: MembershipTimes = { leaseMs: 8000, memberMs: 6000, renewMs: 2000 };
/** After a renewal that failed. */
const retryMs = 250;
const maxBuried = 1000;

export type MembershipWorld = {
  readonly db: Kysely<ClusterTables>;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  readonly host: string;
  readonly times: MembershipTimes;
  /** tells other hubs to look, and of a hub that has come or gone */
  readonly nudge: (hubId: string) => void;
};

export type Membership = Awaited<ReturnType<typeof openMembership>>;

type Other = { readonly expiresAt: number; readonly sinceMs: number };

/** Takes part from the moment that it resolves. Rejects with what the database throws. */
export async function openMembership({ db, clock, log, host, times, nudge }: MembershipWorld) {
  const { leaseMs, memberMs, renewMs } = times;
  let id: string = crypto.randomUUID();
  const formerIds = new Set<string>();
  /** when the last renewal that was answered was asked for */
  let renewed = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
  /** since when every renewal has been answered; null: the last one was not */
  let connectedSince: number | null = clock.monotonic();
  let failure = "it sleeps";
  let member = false;
  let closed = false;
  /** other hubs, and since when their leases have been as they are */
  let others = new Map<string, Other>();
  /** hubs that others told of since the last look was begun */
  let heard = new Set<string>();
  /** the last that were told of: a hub is told gone once */
  const buried = new Set<string>();
  let cancelRenewal: Cancel = () => undefined;
  let cancelLoss: Cancel = () => undefined;
  const gone = createCalls<string>(log);
  const looked = createCalls<void>(log);
  const lost = createCalls<void>(log);
  const reborn = createCalls<void>(log);

  const turn = createTurn(renew, (error) => log.warn(`the hub's lease: ${reasonOf(error)}`));

  function isMember(): boolean {
    // the wall clock as well: the other one stands still while a machine sleeps
    return member && clock.monotonic() - renewed.monotonic < memberMs && clock.now() - renewed.wall < memberMs;
  }

  async function insert(): Promise<void> {
    const asked = { monotonic: clock.monotonic(), wall: clock.now() };
    const row = { id, host, started_at: databaseNow, expires_at: databaseNow };
    await db.insertInto("hubs").values(row).execute();
    if (!(await extend())) throw new Error("another hub has deleted it at once");
    confirm(asked);
    // whoever knows of it sees when it is gone, however soon that is
    nudge(id);
  }

  /** False: this hub has been taken for dead. */
  async function extend(): Promise<boolean> {
    const { numUpdatedRows } = await db
      .updateTable("hubs")
      .set({ expires_at: sql<number>`${databaseNow} + ${leaseMs}` })
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    return numUpdatedRows > 0n;
  }

  function confirm(asked: typeof renewed): void {
    // it slept: what it knows of the others is old
    if (asked.monotonic - renewed.monotonic > renewMs + memberMs) connectedSince = null;
    connectedSince ??= asked.monotonic;
    renewed = asked;
    if (!member) log.info(`this hub is ${id} among those that share the database`);
    member = true;
    failure = "it sleeps";
    cancelLoss();
    const leftMs = memberMs - (clock.monotonic() - asked.monotonic);
    cancelLoss = clock.after(Math.max(1, leftMs), () => doubt(`for ${memberMs / 1000} s: ${failure}`));
  }

  /** Others may take over. */
  function doubt(why: string): void {
    if (!member) return;
    member = false;
    if (!closed) log.warn(`this hub could not renew its lease ${why}. It leaves to others what only one may do`);
    lost.call();
  }

  async function renew(): Promise<void> {
    if (closed) return;
    cancelRenewal();
    const asked = { monotonic: clock.monotonic(), wall: clock.now() };
    let nextMs = renewMs;
    try {
      if (await extend()) confirm(asked);
      else await beReborn();
      await look();
      looked.call();
    } catch (error) {
      // told when it lasts, see `doubt`
      failure = reasonOf(error);
      connectedSince = null;
      nextMs = retryMs;
    }
    if (!closed) cancelRenewal = clock.after(nextMs, turn.ask);
  }

  /** Takes part under another name: what the old one had claimed others have by now. */
  async function beReborn(): Promise<void> {
    doubt("in time");
    formerIds.add(id);
    id = crypto.randomUUID();
    await insert();
    reborn.call();
    for (const former of formerIds) tellGone(former);
  }

  /** Looks who is there, and deletes who is not any more. */
  async function look(): Promise<void> {
    // those that are told of from here on may have come after what is read now
    const known = new Set([...others.keys(), ...heard]);
    heard = new Set();
    try {
      const rows = await db
        .selectFrom("hubs")
        .select(["id", "expires_at", databaseNow.as("now")])
        .where("id", "<>", id)
        .execute();
      const now = clock.monotonic();
      const seen = new Map<string, Other>();
      for (const { id: hubId, expires_at: expiresAt } of rows) {
        const last = others.get(hubId);
        seen.set(hubId, { expiresAt, sinceMs: last?.expiresAt === expiresAt ? last.sinceMs : now });
      }
      others = seen;
      for (const hubId of known) if (!seen.has(hubId)) tellGone(hubId);
      for (const row of rows) {
        const watchedMs = now - Math.max(seen.get(row.id)?.sinceMs ?? now, connectedSince ?? now);
        if (row.expires_at < row.now && watchedMs >= leaseMs) await bury(row.id, row.expires_at);
      }
    } catch (error) {
      for (const hubId of known) if (!others.has(hubId)) heard.add(hubId);
      throw error;
    }
  }

  function tellGone(hubId: string): void {
    if (hubId === id || buried.has(hubId)) return;
    if (buried.size >= maxBuried) for (const oldest of buried) if (buried.delete(oldest)) break;
    buried.add(hubId);
    gone.call(hubId);
  }

  async function bury(dead: string, expiresAt: number): Promise<void> {
    const { numDeletedRows } = await db
      .deleteFrom("hubs")
      .where("id", "=", dead)
      .where("expires_at", "=", expiresAt)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) return;
    others.delete(dead);
    log.warn(`the hub ${dead} has not been heard of for ${leaseMs / 1000} s: it is gone, and others do what it did`);
    nudge(dead);
    tellGone(dead);
  }

  await insert();
  await look();
  cancelRenewal = clock.after(renewMs, turn.ask);

  return {
    hubId: () => id,
    isMember,
    renewedAgoMs: () => clock.monotonic() - renewed.monotonic,
    /** Whether this is or was this hub. */
    isOwn: (hubId: string) => hubId === id || formerIds.has(hubId),
    isGone: async (hubId: string): Promise<boolean> => {
      if (formerIds.has(hubId)) return true;
      if (hubId === id) return false;
      const row = await db.selectFrom("hubs").select("id").where("id", "=", hubId).executeTakeFirst();
      return row === undefined;
    },
    onGone: gone.add,
    /** After each look at the others that went well. */
    onLook: looked.add,
    /** It is not certain any more that this hub is a member. */
    onLost: lost.add,
    /** This hub has another id from now on. */
    onReborn: reborn.add,
    /** Renews and looks at once. */
    look: turn.ask,
    /** Looks at once, because a hub has come or gone. */
    heardOf(hubId: string): void {
      heard.add(hubId);
      turn.ask();
    },
    /** Says goodbye, so that others take over at once. */
    async close(): Promise<void> {
      closed = true;
      cancelRenewal();
      await turn.done();
      cancelRenewal();
      cancelLoss();
      doubt("");
      await db.deleteFrom("hubs").where("id", "=", id).execute();
      nudge(id);
    },
  };
}
