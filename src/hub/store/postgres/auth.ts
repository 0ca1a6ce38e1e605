/**
 * People, sessions and organizations in PostgreSQL, in a schema of their own: the sign-in library makes and changes its
 * tables itself, and their names are not to meet ours.
 */
import type { Kysely } from "kysely";

import type { Fault } from "#src/protocol/fault.ts";
import { agreeOn } from "../cluster/agreement.ts";
import { type Postgres, faultOf } from "./connection.ts";
import { createLock } from "./lock.ts";

const schemaName = "orion_auth";

/** What better-auth takes as its `database`, and what several hubs over it need. */
export type PostgresAuth = {
  readonly db: Kysely<unknown>;
  readonly type: "postgres";
  readonly schemaName: string;
  readonly faultOf: (error: unknown) => Fault;
  readonly shared: {
    /** Runs `work` in one transaction, while no other hub does. */
    readonly migrate: (work: (db: Kysely<unknown>) => Promise<void>) => Promise<void>;
    /** Runs `work` while no hub runs another; 10 s are the most that it may take. */
    readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
    /** Notes what all hubs are to have alike by this name, unless it is noted already. @returns what is noted */
    readonly agree: (name: string, value: string) => Promise<string>;
  };
};

/** Nothing is opened or made yet; it is closed with `postgres`. */
export function openPostgresAuth(postgres: Postgres): PostgresAuth {
  const db = postgres.queries<unknown>();
  const lock = createLock(db);
  return {
    db,
    type: "postgres",
    schemaName,
    faultOf,
    shared: {
      async migrate(work) {
        try {
          await postgres.exclusively("sign-in migrations", (patient) => patient.transaction().execute(work));
        } catch (error) {
          throw faultOf(error);
        }
      },
      exclusively: async (work) => {
        const worked = await lock("accounts", async () => {
          try {
            return { value: await work() };
          } catch (error) {
            // not the lock's failure: it goes to who asked as it is
            return { error };
          }
        }).catch((error: unknown) => {
          throw faultOf(error);
        });
        if ("error" in worked) throw worked.error;
        return worked.value;
      },
      agree: (name, value) => agreeOn(postgres, name, value),
    },
  };
}
