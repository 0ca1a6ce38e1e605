/** The hubs that share a database, as one of them sees the others. */
import { hostname } from "node:os";

import { sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type Postgres, faultOf } from "../postgres/connection.ts";
import { createDuties } from "./duties.ts";
import { type FeedTimes, openFeed, usualFeedTimes } from "./feed.ts";
import { type Membership, type MembershipTimes, openMembership, usualTimes } from "./membership.ts";
import type { Change, Cluster } from "./port.ts";
import { createCalls } from "./calls.ts";
import { createSignals } from "./signals.ts";
import { type ClusterTables, ensureClusterTables } from "./tables.ts";

export { createSoleHub } from "./sole.ts";
export { agreeOn, agreedOn } from "./agreement.ts";
export { announceChanges, appendChanges } from "./changes.ts";

const hubsChannel = "orion_hubs";

export type ClusterWorld = {
  readonly postgres: Postgres;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** for tests */
  readonly times?: Partial<MembershipTimes & FeedTimes>;
};

/**
 * Joins the hubs of a database, making the tables for that where there are none. What others commit after it resolves is
 * told: whoever keeps something in memory listens first and reads then. Close it before `postgres`.
 * @throws {Fault} `unavailable`, `failed`
 */
export async function openCluster({ postgres, clock, log, times: given }: ClusterWorld): Promise<Cluster> {
  const times = { ...usualTimes, ...usualFeedTimes, ...given };
  const { listen, canNotify } = postgres;
  const db = postgres.control<ClusterTables>();
  await ensureClusterTables(postgres);
  const nudge = (hubId: string) => {
    if (!canNotify) return;
    // lost: the others look from time to time anyway
    keep(sql`SELECT pg_notify(${hubsChannel}, ${hubId})`.execute(db), () => undefined);
  };
  let membership: Membership | undefined;
  let feed: Awaited<ReturnType<typeof openFeed>>;
  try {
    membership = await openMembership({ db, clock, log, host: hostname(), times, nudge });
    feed = await openFeed({ db, membership, listen, clock, log, times });
  } catch (error) {
    // nobody is to wait for a hub that has not come
    await membership?.close().catch(() => undefined);
    throw faultOf(error);
  }
  const duties = createDuties({ db, membership, clock, log, nudge: () => nudge("") });
  const signals = createSignals({ db: postgres.control(), listen, canNotify, clock, log, pollMs: times.pollMs });
  const unlisten = listen(hubsChannel, (hubId) => {
    if (hubId === null || hubId === "") membership.look();
    else if (!membership.isOwn(hubId)) membership.heardOf(hubId);
  });
  // whoever was taken for dead may have missed anything
  const again = createCalls<readonly Change[] | null>(log);
  membership.onReborn(() => again.call(null));

  return {
    hubId: membership.hubId,
    isMember: membership.isMember,
    isGone: membership.isGone,
    onGone: membership.onGone,
    onChanges(listener) {
      const cancels = [feed.onChanges(listener), again.add(listener)];
      return () => {
        for (const cancel of cancels) cancel();
      };
    },
    catchUp: () => feed.catchUp(),
    signal: signals.signal,
    onSignal: signals.onSignal,
    take: duties.take,
    duties: duties.duties,
    standing: () => ({ renewedAgoMs: membership.renewedAgoMs(), duties: duties.held() }),
    async close() {
      await duties.close();
      await Promise.all([unlisten(), feed.close(), signals.close()]);
      try {
        await membership.close();
      } catch {
        // the database is away: the others will find out when it is back
      }
    },
  };
}
