/** The state store on Postgres, for any number of hubs. */
import { sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Cluster } from "../cluster/port.ts";
import { type OpenedState, createStateTables } from "../state.ts";
import { createPostgresCommits } from "./commits.ts";
import type { Postgres } from "./connection.ts";
import { type PostgresStateTables, migratePostgres } from "./migrations.ts";
import { createPostgresStateDatabase } from "./state-database.ts";
import { stateFault } from "./state-faults.ts";
import { createTransactions } from "./transactions.ts";

/** Reads and writes wait this long for a database that is away. */
const usualPatienceMs = 5000;
/** The longest that `ready` waits for an answer. */
const readyMs = 2000;

export type PostgresStateWorld = {
  readonly clock: Clock;
  /** under whose name it tells what it changes, and from where it hears of events */
  readonly cluster: Pick<Cluster, "hubId" | "signal" | "onSignal">;
  /** A write that had been rejected as `unavailable` was made all the same: what is kept in memory is to be read again. */
  readonly surprised?: () => void;
  readonly warn: (message: string) => void;
  /** for tests */
  readonly patienceMs?: number;
};

/**
 * Brings the tables up to date and opens them. Rejects with a Fault: `failed` when they are a newer version's, `unavailable`
 * when the database is away. To be closed before `postgres`.
 */
export async function openPostgresState(postgres: Postgres, world: PostgresStateWorld): Promise<OpenedState> {
  const { clock, cluster, warn, patienceMs = usualPatienceMs } = world;
  await migratePostgres(postgres);
  const db = postgres.queries<PostgresStateTables>();
  const transactions = createTransactions({
    db,
    clock,
    hubId: cluster.hubId,
    canNotify: postgres.canNotify,
    canBeLight: postgres.kind === "postgres",
  });
  try {
    await transactions.open();
  } catch (error) {
    throw stateFault(error);
  }
  const commits = createPostgresCommits({
    transactions,
    clock,
    staged: {
      commit() {
        const before = tables.eventsHead();
        staged.commit();
        if (tables.eventsHead() > before) cluster.signal("events");
      },
      rollback: () => staged.rollback(),
    },
    patienceMs,
    surprised: () => world.surprised?.(),
    warn,
    givenUp: postgres.givenUp,
  });
  const searches = postgres.searches<PostgresStateTables>();
  const database = createPostgresStateDatabase({ db, searches }, commits, { clock, patienceMs });
  const { staged, ...tables } = createStateTables(database, await database.head("events"), clock);
  let asking: Promise<unknown> | undefined;
  const unlisten = cluster.onSignal("events", () => {
    if (asking !== undefined) return;
    asking = tables.refreshEvents().finally(() => (asking = undefined));
    // it is asked again in a moment
    keep(asking, () => undefined);
  });

  return {
    ...tables,
    ready: () => answers(postgres, clock),
    async close() {
      unlisten();
      await commits.close();
      await asking?.catch((error: unknown) => warn(`the newest event is not known: ${reasonOf(error)}`));
      // its end is known: nobody will ask for it again
      await transactions.close().catch(() => undefined);
    },
  };
}

/** Whether the database answers within two seconds. */
async function answers(postgres: Postgres, clock: Pick<Clock, "after">): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = clock.after(readyMs, () => resolve(false));
  keep(
    sql`SELECT 1`.execute(postgres.control()).then(() => resolve(true)),
    () => resolve(false),
  );
  try {
    return await promise;
  } finally {
    cancel();
  }
}
