/** Group commit on Postgres where something goes wrong that happens seldom. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openCluster } from "#src/hub/store/cluster/cluster.ts";
import type { Change } from "#src/hub/store/cluster/port.ts";
import {
  type PostgresCommits,
  type PostgresCommitsWorld,
  createPostgresCommits,
} from "#src/hub/store/postgres/commits.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import type { PostgresStateTables } from "#src/hub/store/postgres/migrations.ts";
import { createTransactions } from "#src/hub/store/postgres/transactions.ts";
import { systemClock } from "#src/lib/clock.ts";
import { project, server } from "#test/hub/store/open.ts";
import { createTestClock } from "#test/kit/clock.ts";
import { freshDatabase, havePostgres, sharedPostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";
import { startCutting } from "./cuts.ts";
import { openHub } from "./hubs.ts";
import { codeOf, token } from "./things.ts";

// a loaded machine takes its time
setDefaultTimeout(60_000);

const log = { info: () => undefined, warn: () => undefined };

type Run = PostgresCommitsWorld["transactions"]["run"];

/** Group commit over transactions that do what the test says. */
function commitsOver(run: Run, others: Partial<PostgresCommitsWorld> = {}): PostgresCommits {
  return createPostgresCommits({
    transactions: { open: async () => undefined, run, wasCommitted: async () => false, close: async () => undefined },
    clock: systemClock,
    staged: { commit: () => undefined, rollback: () => undefined },
    patienceMs: 5000,
    surprised: () => undefined,
    warn: () => undefined,
    ...others,
  });
}

const write = (commits: PostgresCommits) =>
  commits.write<unknown>(function* () {
    // nothing
  });

describe("what writes together", () => {
  // Before, each was tried again for itself, and waited for the lock as long as the group had
  test("is refused together when somebody else keeps it waiting", async () => {
    let runs = 0;
    const commits = commitsOver(async () => {
      runs++;
      throw Object.assign(new Error("canceling statement due to statement timeout"), { errno: "57014" });
    });
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(write(commits))));
    expect([new Set(codes), runs]).toEqual([new Set(["unavailable"]), 1]);
    await commits.close();
  });

  // Before, it was tried once more in the last moment, and everybody waited twice as long as they should
  test("is not tried again when getting no connection has taken all of its time", async () => {
    const clock = createTestClock();
    let runs = 0;
    const run: Run = async () => {
      runs++;
      clock.advance(4950);
      throw Object.assign(new Error("Failed to connect"), { code: "ERR_POSTGRES_CONNECTION_REFUSED" });
    };
    let code: unknown;
    const writing = codeOf(write(commitsOver(run, { clock }))).then((refused) => (code = refused));
    await until(() => {
      clock.advance(10);
      return code !== undefined;
    }, "the answer");
    await writing;
    expect([code, runs]).toEqual(["unavailable", 1]);
  });

  // Before, whoever had written was never answered, and all that was written later waited for it
  test("is answered though a listener fails", async () => {
    const warnings: string[] = [];
    const commit = () => {
      throw new Error("a defect");
    };
    const run: Run = async (tasks) => {
      for (const task of tasks) task.value = "done";
    };
    const commits = commitsOver(run, {
      staged: { commit, rollback: () => undefined },
      warn: (message) => void warnings.push(message),
    });
    expect([await write(commits), await write(commits)]).toEqual(["done", "done"]);
    expect(warnings).toEqual(Array.from({ length: 2 }, () => "who follows what was written failed: a defect"));
    await commits.close();
  });
});

describe.skipIf(!havePostgres)("a commit on a real server (needs PostgreSQL)", () => {
  // Before, the row was only updated: what was in doubt then counted as not done, and was done twice
  test("is known to be done though others have cleared this hub's count away as an old one", async () => {
    await using database = await freshDatabase();
    using cutting = startCutting((await sharedPostgres()).port);
    await using hub = await openHub(cutting.through(database.url));
    const { state } = hub;
    await state.putProject(project("p1"));
    await state.putToken(token("t", null));
    await database.query("DELETE FROM state_writers");
    let cut = false;
    cutting.cut = (said) => {
      const where = !cut && /commit/i.test(said) ? "after" : "no";
      if (where === "after") cut = true;
      return where;
    };
    expect(await state.spendToken("t")).toBe(1);
    expect(cut).toBe(true);
    expect((await state.tokens())[0]?.uses).toBe(1);
  });

  // Before, one that was still being committed then counted as not done, and was done twice
  test("is waited for though others have cleared this hub's count away", async () => {
    await using database = await freshDatabase();
    await (await openHub(database.url))[Symbol.asyncDispose]();
    const postgres = await openPostgres(database.url, { clock: systemClock, log });
    const db = postgres.queries<PostgresStateTables>();
    const world = { db, clock: systemClock, hubId: () => "here", canNotify: true, canBeLight: true };
    const transactions = createTransactions(world);
    await transactions.open();
    const { id } = await db.deleteFrom("state_writers").returning("id").executeTakeFirstOrThrow();
    // as the server has it whose connection was lost after it had been told to commit
    const [written, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const committing = db.transaction().execute(async (transaction) => {
      await transaction.insertInto("state_writers").values({ id, n: 1, at_ms: 0 }).execute();
      written.resolve();
      await commit.promise;
    });
    await written.promise;
    const was = transactions.wasCommitted();
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    await until(async () => (await database.query(waiting)).length > 0, "the question to wait");
    commit.resolve();
    await committing;
    expect(await was).toBe(true);
    await postgres.close();
  });

  test("that came to nothing is known as such though others have cleared this hub's count away", async () => {
    await using database = await freshDatabase();
    await (await openHub(database.url))[Symbol.asyncDispose]();
    const postgres = await openPostgres(database.url, { clock: systemClock, log });
    const db = postgres.queries<PostgresStateTables>();
    const world = { db, clock: systemClock, hubId: () => "here", canNotify: true, canBeLight: true };
    const transactions = createTransactions(world);
    await transactions.open();
    await db.deleteFrom("state_writers").execute();
    expect(await transactions.wasCommitted()).toBe(false);
    await transactions.run([], false);
    expect(await db.selectFrom("state_writers").select("n").execute()).toEqual([{ n: 1 }]);
    await postgres.close();
  });

  // Before, the numbers of what was lost were given again, and the others took it for what they had seen
  test("is told to the others though the server has lost the ones before it with its power", async () => {
    await using postgres = await startPostgres();
    // heartbeats need not be on the disk: here none of them gets there by itself
    await postgres.query("ALTER SYSTEM SET wal_writer_delay = '10s'");
    await postgres.query("SELECT pg_reload_conf()");
    await using database = await postgres.freshDatabase();
    await using one = await joined(database.url);
    await using two = await joined(database.url);
    const told: (Change | null)[] = [];
    two.cluster.onChanges((changes) => void told.push(...(changes ?? [null])));
    const hears = (id: string) => until(() => told.some((change) => change === null || change.id === id), id);
    await one.state.putProject(project("p1"));
    await one.state.putServer(server("a"));
    await hears("a");
    for (let n = 1; n <= 3; n++) {
      await one.state.putBeats([{ id: "a", version: "1", lastSeenMs: n, heartbeat: "{}", tokenUsedAtMs: n }]);
    }
    await until(() => told.filter((change) => change?.kind === "beat").length === 3, "the heartbeats");
    told.length = 0;
    await postgres.kill();
    await postgres.start();
    await one.state.putToken(token("t", null));
    await hears("t");
  });
});

/** A hub with its place among others. */
async function joined(url: string) {
  const postgres = await openPostgres(url, { clock: systemClock, log });
  const cluster = await openCluster({ postgres, clock: systemClock, log });
  const hub = await openHub(url, { cluster });
  return {
    cluster,
    state: hub.state,
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await cluster.close();
      await postgres.close();
    },
  };
}
