/** The state in Postgres: its own group commit, and reads that wait for a database that is away, but not forever. */
import { type Compilable, type Kysely, sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import type { StateDatabase } from "../state-database.ts";
import type { StateTables } from "../state-tables.ts";
import { type Call, callOf } from "../statement.ts";
import type { PostgresCommits } from "./commits.ts";
import { isAway, isCollision } from "./faults.ts";
import type { PostgresStateTables } from "./migrations.ts";
import { stateFault } from "./state-faults.ts";
import { answer } from "./transactions.ts";

/** Between two attempts. */
const retryMs = 100;

export type StateQueries = { readonly db: Kysely<PostgresStateTables>; readonly searches: Kysely<PostgresStateTables> };

/** @param patienceMs a read waits at most this long for a database that is away */
export function createPostgresStateDatabase(
  { db, searches }: StateQueries,
  { write, writeLightly }: PostgresCommits,
  { clock, patienceMs }: { readonly clock: Pick<Clock, "after" | "monotonic">; readonly patienceMs: number },
): StateDatabase {
  const queries = db as unknown as Kysely<StateTables>;

  const read = <Row>(query: Compilable<Row> | Call<Row>) => ask(db, "built" in query ? query : callOf(query));

  async function ask<Row>(by: Kysely<PostgresStateTables>, call: Call<Row>): Promise<readonly Row[]> {
    const untilMs = clock.monotonic() + patienceMs;
    for (;;) {
      try {
        return (await answer(by, call)).rows as readonly Row[];
      } catch (error) {
        const again = isAway(error) || isCollision(error);
        // getting no connection has taken most of the time
        if (!again || clock.monotonic() + retryMs >= untilMs) throw stateFault(error);
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
  }

  return {
    queries,
    read,
    search: (query) => ask(searches, callOf(query)),
    write,
    writeLightly,
    isOneOf: (column, values) => sql<boolean>`${sql.ref(column)} = ANY(CAST(${values} AS text[]))`,
    look: null,
    async head(list) {
      const rows = await read(db.selectFrom("positions").select("position").where("list", "=", list));
      return rows[0]?.position ?? 0;
    },
  };
}
