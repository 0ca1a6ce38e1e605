/** What exactly one hub does. A duty is free when nobody has it, or when the hub that had it is gone. */
import type { Kysely } from "kysely";

import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import { type Holding, createHolding } from "./holding.ts";
import type { Membership } from "./membership.ts";
import type { Cluster, Duty } from "./port.ts";
import type { ClusterTables } from "./tables.ts";
import { createTurn } from "./turn.ts";

/** After a duty could not be begun, another hub has this long to try. */
const standBackMs = 5000;

export type DutiesWorld = {
  readonly db: Kysely<ClusterTables>;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** tells other hubs that a duty is free */
  readonly nudge: () => void;
};

export type Duties = Pick<Cluster, "take" | "duties"> & {
  /** Those it strives for, and whether it has them. */
  held(): Readonly<Record<string, boolean>>;
  /** Ends all and gives them up. */
  close(): Promise<void>;
};

type Striving = { readonly name: string; readonly holding: Holding; notBefore: number };

export function createDuties({ db, membership, clock, log, nudge }: DutiesWorld): Duties {
  const strivings = new Map<string, Striving>();
  /** given up, but not ended yet: nobody else may have them */
  const leaving = new Set<string>();
  const failed = (error: unknown) => log.warn(`duties of the hubs: ${reasonOf(error)}`);
  const turn = createTurn(strive, failed);
  const cancels: Cancel[] = [
    membership.onLook(turn.ask),
    membership.onGone(turn.ask),
    membership.onLost(() => {
      for (const { holding } of strivings.values()) keep(holding.end().then(turn.ask), failed);
    }),
  ];

  async function strive(): Promise<void> {
    if (!membership.isMember()) return;
    const me = membership.hubId();
    let rows: readonly { readonly name: string; readonly hub: string | null; readonly alive: string | null }[];
    try {
      rows = await db
        .selectFrom("duties")
        .leftJoin("hubs", "hubs.id", "duties.hub")
        .select(["duties.name", "duties.hub", "hubs.id as alive"])
        .execute();
      for (const striving of strivings.values()) {
        if (striving.holding.busy() || clock.monotonic() < striving.notBefore) continue;
        const row = rows.find(({ name }) => name === striving.name);
        if (row !== undefined && row.alive !== null && row.hub !== me) continue;
        if (await claim(striving.name, me)) begin(striving, me);
      }
      // given up while the database was away
      for (const { name, hub } of rows) {
        if (hub === me && !strivings.has(name) && !leaving.has(name)) await release(name, me);
      }
    } catch {
      // the membership says when the database is away; it is tried again at the next look
    }
  }

  /** Whether this hub has it now. */
  async function claim(name: string, me: string): Promise<boolean> {
    return await db.transaction().execute(async (within) => {
      await within
        .insertInto("duties")
        .values({ name, hub: null })
        .onConflict((on) => on.doNothing())
        .execute();
      const { hub } = await within
        .selectFrom("duties")
        .select("hub")
        .where("name", "=", name)
        .forUpdate()
        .executeTakeFirstOrThrow();
      // read after the row is ours: who has just come to live is seen
      const living = await within
        .selectFrom("hubs")
        .select("id")
        .where("id", "in", hub === null ? [me] : [me, hub])
        .execute();
      const lives = (id: string) => living.some((row) => row.id === id);
      if (!lives(me) || (hub !== null && hub !== me && lives(hub))) return false;
      await within.updateTable("duties").set({ hub: me }).where("name", "=", name).execute();
      return true;
    });
  }

  function begin(striving: Striving, me: string): void {
    // it may have taken so long that it is another's again
    if (!membership.isMember() || membership.hubId() !== me || !strivings.has(striving.name)) return;
    log.info(`this hub has the duty "${striving.name}" now`);
    keep(tryIt(striving, me), failed);
  }

  async function tryIt(striving: Striving, me: string): Promise<void> {
    if ((await striving.holding.begin()) !== "failed") return;
    striving.notBefore = clock.monotonic() + standBackMs;
    await giveUp(striving.name, me);
  }

  async function release(name: string, me: string): Promise<void> {
    await db.updateTable("duties").set({ hub: null }).where("name", "=", name).where("hub", "=", me).execute();
    nudge();
  }

  async function giveUp(name: string, me: string): Promise<void> {
    try {
      await release(name, me);
    } catch (error) {
      log.warn(`the duty "${name}" could not be given up: ${reasonOf(error)}`);
    }
  }

  return {
    take(name: string, duty: Duty) {
      if (strivings.has(name)) throw new Error(`this hub strives for "${name}" already`);
      const striving = { name, holding: createHolding(name, duty, log), notBefore: 0 };
      strivings.set(name, striving);
      turn.ask();
      return async () => {
        if (strivings.get(name) !== striving) return;
        strivings.delete(name);
        if (!striving.holding.busy()) return;
        leaving.add(name);
        await striving.holding.end();
        leaving.delete(name);
        await giveUp(name, membership.hubId());
      };
    },
    held: () => Object.fromEntries([...strivings.values()].map(({ name, holding }) => [name, holding.busy()])),
    async duties() {
      const rows = await db
        .selectFrom("duties")
        .leftJoin("hubs", "hubs.id", "duties.hub")
        .select(["duties.name", "hubs.id as hubId"])
        .orderBy("duties.name")
        .execute();
      return rows;
    },
    async close() {
      for (const cancel of cancels) cancel();
      const had = [...strivings.values()];
      strivings.clear();
      await turn.done();
      await Promise.all(had.map(({ holding }) => holding.end()));
      if (had.length === 0) return;
      try {
        await db.updateTable("duties").set({ hub: null }).where("hub", "=", membership.hubId()).execute();
      } catch {
        // they are free anyway once this hub is gone
      }
    },
  };
}
