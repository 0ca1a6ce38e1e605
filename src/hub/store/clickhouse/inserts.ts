/**
 * From deliveries to ClickHouse, each entry exactly once. Deliveries that come within a short time go together: one
 * transaction of the ledger, one INSERT, and then all of them are answered. The states of an insert, and what moves it on
 * (its id is its deduplication token; `row`: what the ledger has of it):
 *
 * | state     | row   | in ClickHouse | event                                              | next               |
 * | --------- | ----- | ------------- | -------------------------------------------------- | ------------------ |
 * | gathered  | -     | no            | transaction committed                              | in flight          |
 * |           |       |               | it failed, or nobody knows                         | refused; if a row turns up: unsure |
 * |           |       |               | the hub dies                                       | nothing was there  |
 * | in flight | own   | maybe         | answered: done                                     | stored             |
 * |           |       |               | an error, while there is time                      | sent again, same token |
 * |           |       |               | time is up, or no longer a member                  | unsure; deliveries refused |
 * |           |       |               | the hub dies                                       | unsure             |
 * | stored    | own   | yes           | row deleted                                        | acknowledged: followers are told, deliveries answered |
 * |           |       |               | there is no row: another hub has begun to settle it | deliveries refused; that hub decides |
 * |           |       |               | the database is away, time is up                   | unsure; deliveries refused |
 * |           |       |               | the hub dies                                       | unsure             |
 * | unsure    | own, or of a hub that is gone | maybe | a hub claims the row, then inserts a mark with the same token: whichever of mark and entries came first is there, the other never will be | marked |
 * | marked    | own   | yes           | the entries are there: row deleted                 | kept; who sends them again hears that they are stored |
 * |           |       | no, never     | row deleted, its numbers taken out of what was seen | dropped; who sends them again has them stored |
 * |           |       |               | the hub dies                                       | unsure             |
 *
 * A hub acknowledges only after it has deleted the row as its own, and whoever settles an insert takes the row first: so no
 * clock decides. Refused deliveries are sent again by whoever sent them.
 */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { type LatencyFigures, createLatencies } from "#src/lib/latencies.ts";
import { release, releaseColumns } from "#src/protocol/columns/release.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Cluster } from "../cluster/port.ts";
import { batchKey } from "../deliveries.ts";
import type { Appended, LogBatch } from "../port.ts";
import type { Clickhouse, Settings } from "./client.ts";
import { type Gathered, createGathering, giveBack, refusal } from "./insert-gathering.ts";
import { createPace } from "./insert-pace.ts";
import type { Admitted, Ledger } from "./ledger.ts";
import type { Verdict } from "./ledger-judge.ts";
import { stretchesOf } from "./insert-stretches.ts";
import { type Stretch, insertBody, insertSql } from "./native-insert.ts";
import { logsTable } from "./logs-tables.ts";
import type { Shards } from "./shards.ts";

/** Milliseconds; for tests each may be another. */
export const insertTimes = {
  /** from the first try until a delivery is refused */
  deadline: 10_000,
  /** between tries */
  retry: 250,
  /** deliveries that come within this time go together; of a longer one where ClickHouse lags behind (insert-pace.ts) */
  gather: 150,
};
/** The next batch is on its way while ClickHouse still works at the one before. */
const mostInFlight = 2;
/** A delivery waits for inserts that are on their way; these are the latest. */
const rememberedOutcomes = 64;

export type InsertsWorld = {
  readonly client: Pick<Clickhouse, "insert" | "rows" | "run" | "cluster" | "database">;
  readonly ledger: Ledger;
  readonly cluster: Pick<Cluster, "hubId" | "isMember">;
  readonly shards: Shards;
  /** of each insert */
  readonly settings: Settings;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** Hears of entries that are stored and acknowledged; they are the hearer's, who gives their memory back. */
  readonly stored: (stretches: readonly Stretch[]) => void;
  /** Hears that there is an insert whose outcome is not known, and why. */
  readonly unsure: (why: string) => void;
  /** Why nothing is taken now: ClickHouse was away a moment ago; null: nothing stands in the way. */
  readonly obstacle: () => string | null;
  /** Positions up to it are given, whatever the ledger says. */
  readonly given: () => number;
  readonly times?: Partial<typeof insertTimes>;
};

export type InsertFigures = {
  /** inserts on their way */
  readonly inFlight: number;
  /** since the hub was started */
  readonly inserts: number;
  readonly entries: number;
  readonly failures: number;
  /** deliveries that were refused: whoever sent them keeps them */
  readonly refused: number;
  /** how long transactions of the ledger took, and inserts that ClickHouse took */
  readonly ledger: LatencyFigures;
  readonly clickhouse: LatencyFigures;
};

export type Inserts = {
  readonly append: (batch: LogBatch) => Promise<Appended>;
  /** Bytes that wait. */
  readonly waiting: () => number;
  /** Whether an insert is being sent, so that nobody has to settle it. */
  readonly isInFlight: (id: string) => boolean;
  readonly figures: () => InsertFigures;
  /** Refuses what waits, and resolves when nothing is on its way any more. */
  readonly close: () => Promise<void>;
};

export function createInserts(world: InsertsWorld): Inserts {
  const { client, ledger, cluster, shards, clock, warn, obstacle } = world;
  const times = { ...insertTimes, ...world.times };
  const inFlight = new Set<string>();
  /** of the latest inserts: whether each was acknowledged in the end */
  const outcomes = new Map<string, Promise<boolean>>();
  let last: Promise<unknown> = Promise.resolve();
  const figures = { inserts: 0, entries: 0, failures: 0, refused: 0 };
  const ledgerTimes = createLatencies();
  const insertLatencies = createLatencies();
  const gathering = createGathering({
    clock,
    gatherMs: createPace(client, clock, times.gather),
    deadlineMs: times.deadline,
    mostAtOnce: mostInFlight,
    carry,
  });

  /** Takes a group through all its states. */
  function carry(group: readonly Gathered[]): { readonly admitted: Promise<unknown>; readonly done: Promise<unknown> } {
    const why = obstacle();
    if (why !== null) {
      for (const { batch, reject } of group) {
        giveBack(batch);
        reject(refusal(why));
      }
      return { admitted: Promise.resolve(), done: Promise.resolve() };
    }
    const id = Bun.randomUUIDv7();
    const { promise: outcome, resolve } = Promise.withResolvers<boolean>();
    inFlight.add(id);
    remember(id, outcome);
    const before = last;
    const admitted = admit(id, group);
    const done = finish().catch(warnOf);
    last = done;
    return { admitted: admitted.catch(() => undefined), done };

    async function finish(): Promise<void> {
      let kept: readonly Stretch[] = [];
      try {
        const placed = await admitted;
        const stretches = stretchesOf(group, placed);
        const acknowledged = placed.count === 0 || (await store(id, stretches, placed, { before, since: group }));
        inFlight.delete(id);
        resolve(acknowledged);
        if (acknowledged) {
          kept = stretches;
          world.stored(stretches);
        }
        for (const [i, one] of group.entries()) keep(answer(one, placed.verdicts[i], acknowledged), one.reject);
      } catch (error) {
        // the ledger's transaction failed, or nobody knows: a row that turns up all the same is settled then
        const fault = error instanceof Fault ? error : refusal(reasonOf(error), error);
        for (const one of group) one.reject(fault);
      } finally {
        inFlight.delete(id);
        resolve(false);
        const handedOn = new Set(kept.map(({ columns }) => columns));
        for (const { batch } of group) {
          if (!handedOn.has(batch.columns)) releaseColumns(batch.columns);
          if (batch.zstd !== null) release(batch.zstd);
        }
      }
    }
  }

  function remember(id: string, outcome: Promise<boolean>): void {
    outcomes.set(id, outcome);
    const [oldest] = outcomes.keys();
    if (outcomes.size > rememberedOutcomes && oldest !== undefined) outcomes.delete(oldest);
  }

  function warnOf(error: unknown): void {
    warn(`answering deliveries failed: ${reasonOf(error)}`);
  }

  type Placed = Admitted & { readonly hub: string; readonly atMs: number; readonly shard: number };

  async function admit(id: string, group: readonly Gathered[]): Promise<Placed> {
    const started = clock.monotonic();
    const place = { hub: cluster.hubId(), atMs: clock.now(), shard: shards.next() };
    const deliveries = group.map(({ batch }) => ({
      serverId: batch.serverId,
      batch: batch.batchId === null ? null : batchKey(batch.batchId),
      seqs: batch.columns.seqs,
      numberFrom: batch.numberFrom ?? null,
    }));
    const admitted = await ledger.admit(deliveries, {
      id,
      ...place,
      given: world.given(),
      isInFlight: (other) => inFlight.has(other),
    });
    ledgerTimes.observe(clock.monotonic() - started);
    return { ...admitted, ...place };
  }

  /** Sends what is new and has it acknowledged. False: nobody knows whether it is there. */
  async function store(
    id: string,
    stretches: readonly Stretch[],
    { hub, atMs, shard, count }: Placed,
    { before, since }: { readonly before: Promise<unknown>; readonly since: readonly Gathered[] },
  ): Promise<boolean> {
    // what has waited has less time left, but enough for a ClickHouse that works
    const from = (since[0]?.sinceMs ?? 0) + times.deadline;
    const deadline = Math.max(from, clock.monotonic() + times.deadline / 2);
    try {
      const body = await insertBody(stretches, atMs);
      const started = clock.monotonic();
      await retrying(deadline, async (timeoutMs) => {
        if (!cluster.isMember() || cluster.hubId() !== hub) throw refusal("this hub has lost touch with the others");
        const settings = { ...world.settings, ...shards.settings(shard) };
        await client.insert({ sql: insertSql(logsTable), body, token: id, settings, timeoutMs });
      });
      insertLatencies.observe(clock.monotonic() - started);
      // answered in the order of positions
      await before;
      if (!(await retrying(deadline, () => ledger.confirm(id, hub)))) {
        throw refusal("another hub took this one for dead, and settles it");
      }
    } catch (error) {
      figures.failures++;
      warn(`${count} log entries may not be stored, and are refused: ${reasonOf(error)}`);
      await before;
      inFlight.delete(id);
      world.unsure(reasonOf(error));
      return false;
    }
    figures.inserts++;
    figures.entries += count;
    return true;
  }

  async function retrying<T>(deadline: number, attempt: (timeoutMs: number) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt(Math.max(1, Math.ceil(deadline - clock.monotonic())));
      } catch (error) {
        if (clock.monotonic() + times.retry >= deadline || gathering.isClosed()) throw error;
        await new Promise<void>((resolve) => clock.after(times.retry, resolve));
      }
    }
  }

  /** Answers one delivery when everything that it repeats is known to be stored too. */
  async function answer(one: Gathered, verdict: Verdict | undefined, acknowledged: boolean): Promise<void> {
    if (verdict === undefined || verdict.kind === "refused") throw verdict?.fault ?? refusal("it was not judged");
    const { fresh, after } = verdict;
    const accepted = fresh === "all" ? one.count : fresh.length;
    if (accepted > 0 && !acknowledged) throw refusal("ClickHouse did not say in time that it has them");
    for (const { id } of after) {
      if ((await outcomes.get(id)) !== true) throw refusal("entries that it repeats may not be stored");
    }
    one.resolve({ accepted, duplicates: one.count - accepted });
  }

  return {
    async append(batch) {
      try {
        const why = obstacle();
        if (why !== null) {
          giveBack(batch);
          throw refusal(why);
        }
        return await gathering.add(batch);
      } catch (error) {
        figures.refused++;
        throw error;
      }
    },
    waiting: gathering.waiting,
    isInFlight: (id) => inFlight.has(id),
    figures: () => ({
      ...figures,
      inFlight: inFlight.size,
      ledger: ledgerTimes.read(),
      clickhouse: insertLatencies.read(),
    }),
    close: gathering.close,
  };
}
