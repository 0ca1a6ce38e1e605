/**
 * Background work with its steps, so that a hub that is started again knows what it was about. With several hubs over one
 * database a job is one hub's at a time: its holder's. A hub that is alone holds none by name.
 */
import { Fault } from "#src/protocol/fault.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { rowsOf, run, statement } from "./statement.ts";

/** Finished jobs of a server that are kept. */
const keptPerServer = 20;
/** Milliseconds, 90 days: what somebody did to a host so long ago is in the audit trail, and in its events. */
const keptForMs = 90 * 86_400_000;

export type JobRow = {
  readonly id: string;
  readonly serverId: string;
  /** whether it has come to an end */
  readonly over: boolean;
  readonly createdAtMs: number;
  /** protocol/job.ts `job`, as JSON */
  readonly body: string;
  /** the hub that does it; null: nobody yet, or a hub that is alone */
  readonly holder: string | null;
  /** somebody wants it to end, wherever it is done */
  readonly cancelled: boolean;
};

export type JobStore = {
  job(id: string): Promise<JobRow | undefined>;
  /** Newest first. */
  jobsOf(serverId: string): Promise<readonly JobRow[]>;
  /** In order of creation. @param ids left out: all that are open */
  openJobs(ids?: readonly string[]): Promise<readonly JobRow[]>;
  /**
   * Old ones of the same server are forgotten, and very old ones of all. A new one is `holder`'s from the beginning; one
   * that is known is changed only while it is: otherwise it rejects with a Fault `conflict`. No holder: whoever holds it.
   */
  putJob(
    row: Omit<JobRow, "holder" | "cancelled"> & { readonly holder?: string | null; readonly cancelled?: boolean },
  ): Promise<void>;
  /**
   * Takes an open job that nobody holds, of a server of which no other job is held; of several hubs at once, one gets it.
   * true: it is `hub`'s now. Another hub that was quicker by a hair rejects with a Fault `conflict`.
   */
  claimJob(id: string, hub: string): Promise<boolean>;
  /** Puts down the end of an open job that nobody holds. false: somebody does, or it is over already. */
  endJob(row: Pick<JobRow, "id" | "body">): Promise<boolean>;
  /** A hub is gone: its open jobs are nobody's. @returns which */
  releaseJobs(hub: string): Promise<readonly string[]>;
  /** Asks whoever does it to end it. false: there is none, or it is over. */
  cancelJob(id: string): Promise<boolean>;
};

export function createJobsTable({ queries, read, write, isOneOf }: StateDatabase): JobStore {
  const { put, dropOld, dropVeryOld, claim, end, release, cancel } = statementsOf(queries);

  return {
    async job(id) {
      const [row] = await read(queries.selectFrom("jobs").selectAll().where("id", "=", id));
      return row && rowOf(row);
    },
    async jobsOf(serverId) {
      const query = queries.selectFrom("jobs").selectAll().where("server", "=", serverId);
      return (await read(query.orderBy("created_at_ms", "desc").orderBy("id"))).map(rowOf);
    },
    async openJobs(ids) {
      const open = queries.selectFrom("jobs").selectAll().where("over", "=", 0);
      const query = ids === undefined ? open : open.where(isOneOf("id", ids));
      return (await read(query.orderBy("created_at_ms").orderBy("id"))).map(rowOf);
    },
    putJob: ({ id, serverId, over, createdAtMs, body, holder = null, cancelled = false }) =>
      write(
        function* ({ changed }) {
          const row = { id, server: serverId, over: over ? 1 : 0, created_at_ms: createdAtMs, body, holder };
          const kept = yield* rowsOf(put.with({ ...row, cancelled: cancelled ? 1 : 0 }));
          if (kept.length === 0) {
            throw new Fault("conflict", `job ${id} is done by another hub`);
          }
          yield* run(
            dropOld.with({ server: serverId, most: keptPerServer }),
            dropVeryOld.with({ beforeMs: createdAtMs - keptForMs }),
          );
          changed("job", id);
        },
        { bytes: body.length },
      ),
    claimJob: (id, hub) =>
      write(function* ({ changed }) {
        const taken = (yield* rowsOf(claim.with({ id, hub }))).length > 0;
        if (taken) changed("job", id);
        return taken;
      }),
    endJob: ({ id, body }) =>
      write(
        function* ({ changed }) {
          const ended = (yield* run(end.with({ id, body }))) > 0;
          if (ended) changed("job", id);
          return ended;
        },
        { bytes: body.length },
      ),
    releaseJobs: (hub) =>
      write(function* ({ changed }) {
        const released = yield* rowsOf(release.with({ hub }));
        for (const { id } of released) changed("job", id);
        return released.map(({ id }) => id);
      }),
    cancelJob: (id) =>
      write(function* ({ changed }) {
        const known = (yield* run(cancel.with({ id }))) > 0;
        if (known) changed("job", id);
        return known;
      }),
  };
}

function statementsOf(queries: StateDatabase["queries"]) {
  type Id = { readonly id: string };
  return {
    put: statement<StateTables["jobs"], Id>((value) =>
      queries
        .insertInto("jobs")
        .values({
          id: value("id"),
          server: value("server"),
          over: value("over"),
          created_at_ms: value("created_at_ms"),
          body: value("body"),
          holder: value("holder"),
          cancelled: value("cancelled"),
        })
        .onConflict((on) =>
          on
            .column("id")
            .doUpdateSet((eb) => ({
              over: eb.ref("excluded.over"),
              body: eb.ref("excluded.body"),
              // once it is wanted, it stays so
              cancelled: eb
                .case()
                .when(eb("excluded.cancelled", "=", 1))
                .then(1)
                .else(eb.ref("jobs.cancelled"))
                .end(),
            }))
            .where((eb) =>
              eb.or([eb("excluded.holder", "is", null), eb("jobs.holder", "=", eb.ref("excluded.holder"))]),
            ),
        )
        .returning("id"),
    ),
    dropOld: statement<{ readonly server: string; readonly most: number }>((value) =>
      queries
        .deleteFrom("jobs")
        .where("server", "=", value("server"))
        .where("over", "=", 1)
        .where("id", "not in", (inner) =>
          inner
            .selectFrom("jobs")
            .select("id")
            .where("server", "=", value("server"))
            .orderBy("created_at_ms", "desc")
            .limit(value("most")),
        ),
    ),
    dropVeryOld: statement<{ readonly beforeMs: number }>((value) =>
      queries.deleteFrom("jobs").where("over", "=", 1).where("created_at_ms", "<", value("beforeMs")),
    ),
    // one statement that looks and takes: of two hubs, the second finds it taken
    claim: statement<{ readonly id: string; readonly hub: string }, Id>((value) =>
      queries
        .updateTable("jobs")
        .set({ holder: value("hub") })
        .where("id", "=", value("id"))
        .where("over", "=", 0)
        .where((eb) => eb.or([eb("holder", "is", null), eb("holder", "=", value("hub"))]))
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom("jobs as other")
                .select("other.id")
                .whereRef("other.server", "=", "jobs.server")
                .where("other.over", "=", 0)
                .where("other.holder", "is not", null)
                .where("other.id", "<>", value("id")),
            ),
          ),
        )
        .returning("id"),
    ),
    end: statement<{ readonly id: string; readonly body: string }>((value) =>
      queries
        .updateTable("jobs")
        .set({ over: 1, body: value("body") })
        .where("id", "=", value("id"))
        .where("over", "=", 0)
        .where("holder", "is", null),
    ),
    release: statement<{ readonly hub: string }, Id>((value) =>
      queries
        .updateTable("jobs")
        .set({ holder: null })
        .where("holder", "=", value("hub"))
        .where("over", "=", 0)
        .returning("id"),
    ),
    cancel: statement<Id>((value) =>
      queries.updateTable("jobs").set({ cancelled: 1 }).where("id", "=", value("id")).where("over", "=", 0),
    ),
  };
}

function rowOf(row: StateTables["jobs"]): JobRow {
  return {
    id: row.id,
    serverId: row.server,
    over: row.over === 1,
    createdAtMs: row.created_at_ms,
    body: row.body,
    holder: row.holder,
    cancelled: row.cancelled === 1,
  };
}
