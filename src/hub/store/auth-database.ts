/**
 * `auth.db`: people, sessions and organizations, whose tables the sign-in library makes and changes itself. A file of
 * its own, because that library's transactions are asynchronous: on the state's connection they would take in whatever
 * else is written meanwhile.
 */
import { join } from "node:path";

import type { Kysely } from "kysely";

import { openDatabase } from "./database.ts";

/** What better-auth takes as its `database`, and how to close it. */
export type AuthDatabase = { readonly db: Kysely<unknown>; readonly type: "sqlite"; readonly close: () => void };

/** Opens `auth.db` below `folder`, as durable as the others. Rejects with a Fault `failed` when it can't be opened. */
export async function openAuthDatabase(folder: string): Promise<AuthDatabase> {
  const { database, queries } = await openDatabase<unknown>(join(folder, "auth.db"), {});
  return { db: queries, type: "sqlite", close: () => database.close(true) };
}
