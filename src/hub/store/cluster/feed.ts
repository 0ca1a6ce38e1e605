/**
 * What other hubs have changed: read on NOTIFY, and from time to time without. Each hub numbers its commits without
 * gaps; where one is missing, all listeners are told to read everything again.
 */
import type { Kysely } from "kysely";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import type { Listen } from "../postgres/listen.ts";
import { type Calls, createCalls } from "./calls.ts";
import { changesChannel, changesOf } from "./changes.ts";
import type { Membership } from "./membership.ts";
import type { Change } from "./port.ts";
import { type ClusterTables, databaseNow } from "./tables.ts";
import { createTurn } from "./turn.ts";

export type FeedTimes = {
  /** without NOTIFY, changes are looked for this often */
  readonly pollMs: number;
  /** changes are kept this long; who was away for half of it reads everything again */
  readonly keepMs: number;
};
export const usualFeedTimes: FeedTimes = { pollMs: 500, keepMs: 120_000 };
/** Notices that come within this time are looked after together. */
const gatherMs = 20;
/** Commits that are read at a time, … */
const maxRows = 500;
/** … and that are worth reading: beyond, reading everything again costs less. */
const maxBehind = 5000;

export type FeedWorld = {
  readonly db: Kysely<ClusterTables>;
  readonly membership: Membership;
  readonly listen: Listen;
  readonly clock: Clock;
  readonly log: { warn(message: string): void };
  readonly times: FeedTimes;
};

export type Feed = {
  readonly onChanges: Calls<readonly Change[] | null>["add"];
  /** Reads now; resolves when that is done, or could not be. */
  catchUp(): Promise<void>;
  close(): Promise<void>;
};

/** Tells what is committed after it resolves. Rejects with what the database throws. */
export async function openFeed({ db, membership, listen, clock, log, times }: FeedWorld): Promise<Feed> {
  const calls = createCalls<readonly Change[] | null>(log);
  /** the last commit of each hub that was told of */
  let seen = new Map<string, number>();
  let readAt = clock.monotonic();
  let prunedAt = clock.monotonic();
  let closed = false;
  let cancelPoll: Cancel = () => undefined;
  let cancelGathering: Cancel | undefined;
  const turn = createTurn(poll, () => {
    // the membership says when the database is away
  });

  const headsOf = () => db.selectFrom("change_heads").select(["hub", "n"]).execute();

  async function poll(): Promise<void> {
    if (closed) return;
    cancelPoll();
    cancelPoll = clock.after(times.pollMs, turn.ask);
    const begun = clock.monotonic();
    const heads = await headsOf();
    const tooLate = begun - readAt > times.keepMs / 2;
    readAt = begun;
    if (tooLate) missed(heads);
    else for (const head of heads) await read(head);
    for (const hub of seen.keys()) if (!heads.some((head) => head.hub === hub)) seen.delete(hub);
    if (begun - prunedAt > times.keepMs / 4) await prune(begun);
  }

  function missed(heads: readonly { readonly hub: string; readonly n: number }[]): void {
    seen = new Map(heads.map(({ hub, n }) => [hub, n]));
    calls.call(null);
  }

  async function read({ hub, n: head }: { readonly hub: string; readonly n: number }): Promise<void> {
    if (membership.isOwn(hub)) return;
    let last = seen.get(hub) ?? 0;
    if (last > head || head - last > maxBehind) return skipTo(hub, head);
    while (last < head) {
      const rows = await db
        .selectFrom("changes")
        .select(["n", "body"])
        .where("hub", "=", hub)
        .where("n", ">", last)
        .where("n", "<=", head)
        .orderBy("n")
        .limit(maxRows)
        .execute();
      const changes: Change[] = [];
      for (const { n, body } of rows) {
        const read = n === last + 1 ? changesOf(body) : undefined;
        if (read === undefined) return skipTo(hub, head);
        for (const change of read) changes.push(change);
        last = n;
      }
      if (rows.length === 0) return skipTo(hub, head);
      seen.set(hub, last);
      if (!closed) calls.call(changes);
    }
  }

  function skipTo(hub: string, n: number): void {
    seen.set(hub, n);
    if (!closed) calls.call(null);
  }

  /** Every hub deletes its own, and those of hubs that are gone. */
  async function prune(now: number): Promise<void> {
    prunedAt = now;
    const { old } = await db.selectNoFrom(databaseNow.as("old")).executeTakeFirstOrThrow();
    const before = old - times.keepMs;
    const living = db.selectFrom("hubs").select("id");
    await db
      .deleteFrom("changes")
      .where("at", "<", before)
      .where((of) => of.or([of("hub", "=", membership.hubId()), of("hub", "not in", living)]))
      .execute();
    await db.deleteFrom("change_heads").where("at", "<", before).where("hub", "not in", living).execute();
  }

  function gather(): void {
    cancelGathering ??= clock.after(gatherMs, () => {
      cancelGathering = undefined;
      turn.ask();
    });
  }

  seen = new Map((await headsOf()).map(({ hub, n }) => [hub, n]));
  cancelPoll = clock.after(times.pollMs, turn.ask);
  const unlisten = listen(changesChannel, (hub) => {
    if (hub === null || !membership.isOwn(hub)) gather();
  });

  return {
    onChanges: calls.add,
    catchUp() {
      turn.ask();
      return turn.done();
    },
    async close() {
      closed = true;
      cancelPoll();
      cancelGathering?.();
      await Promise.all([unlisten(), turn.done()]);
    },
  };
}
