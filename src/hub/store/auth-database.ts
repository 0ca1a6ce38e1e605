/**
 * `auth.db`: people, sessions and organizations, whose tables the sign-in library makes and changes itself. A file of
 * its own, because that library's transactions are asynchronous: on the state's connection they would take in whatever
 * else is written meanwhile.
 */
import { join } from "node:path";

import type { Kysely } from "kysely";

import { openDatabase } from "./database.ts";
import { backUpBefore } from "./migration-backup.ts";

/** What better-auth takes as its `database`, and how to close it. */
export type AuthDatabase = {
  readonly db: Kysely<unknown>;
  readonly type: "sqlite";
  /** Copies it before its tables are changed for `version`. Throws a Fault `unavailable` when there is no room for that. */
  readonly backUp: (version: string) => void;
  readonly close: () => void;
};

/** Opens `auth.db` below `folder`, as durable as the others. Rejects with a Fault `failed` when it can't be opened. */
export async function openAuthDatabase(
  folder: string,
  tell: (message: string) => void = () => undefined,
): Promise<AuthDatabase> {
  const file = join(folder, "auth.db");
  const { database, queries } = await openDatabase<unknown>(file, {});
  return {
    db: queries,
    type: "sqlite",
    backUp(version) {
      const copy = backUpBefore(database, file, version);
      if (copy !== null) tell(`${file} is changed for this version; as it was before, it is in ${copy}`);
    },
    close: () => database.close(true),
  };
}
