/** In `state.db`: background work with its steps, so that a hub that is started again knows what it was about. */
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateTables } from "./state-tables.ts";

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
};

export type JobStore = {
  job(id: string): Promise<JobRow | undefined>;
  /** Newest first. */
  jobsOf(serverId: string): Promise<readonly JobRow[]>;
  /** In order of creation. */
  openJobs(): Promise<readonly JobRow[]>;
  /** Old ones of the same server are forgotten, and very old ones of all. */
  putJob(row: JobRow): Promise<void>;
};

export function createJobsTable({ database, queries }: Opened<StateTables>, commits: Commits): JobStore {
  const put = database.prepare<unknown, [string, string, number, number, string]>(
    "INSERT INTO jobs (id, server, over, created_at_ms, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET over = excluded.over, body = excluded.body",
  );
  const dropOld = database.prepare<unknown, [string, string, number]>(
    "DELETE FROM jobs WHERE server = ? AND over = 1 AND id NOT IN (SELECT id FROM jobs WHERE server = ? ORDER BY created_at_ms DESC LIMIT ?)",
  );
  const dropVeryOld = database.prepare<unknown, [number]>("DELETE FROM jobs WHERE over = 1 AND created_at_ms < ?");
  const rowOf = (row: StateTables["jobs"]): JobRow => ({
    id: row.id,
    serverId: row.server,
    over: row.over === 1,
    createdAtMs: row.created_at_ms,
    body: row.body,
  });

  return {
    async job(id) {
      const row = await queries.selectFrom("jobs").selectAll().where("id", "=", id).executeTakeFirst();
      return row && rowOf(row);
    },
    async jobsOf(serverId) {
      const query = queries.selectFrom("jobs").selectAll().where("server", "=", serverId);
      return (await query.orderBy("created_at_ms", "desc").execute()).map(rowOf);
    },
    async openJobs() {
      const query = queries.selectFrom("jobs").selectAll().where("over", "=", 0);
      return (await query.orderBy("created_at_ms").execute()).map(rowOf);
    },
    putJob: ({ id, serverId, over, createdAtMs, body }) =>
      commits.write(body.length, () => {
        put.run(id, serverId, over ? 1 : 0, createdAtMs, body);
        dropOld.run(serverId, serverId, keptPerServer);
        dropVeryOld.run(createdAtMs - keptForMs);
      }),
  };
}
