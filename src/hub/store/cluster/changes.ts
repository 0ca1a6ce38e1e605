/** What a hub has changed, written in the transaction that changes it, and read by the others. */
import { type Kysely, sql } from "kysely";

import { type Postgres, faultOf } from "../postgres/connection.ts";
import type { Change } from "./port.ts";
import { type ClusterTables, databaseNow } from "./tables.ts";

/** NOTIFY tells the name of the hub whose changes there are. */
export const changesChannel = "orion_changes";

/**
 * Notes what this transaction changes, for other hubs; nothing for no changes. It comes last in a transaction, because
 * this hub's other ones wait here until this one has ended: so the order of `n` is that of the commits.
 * @param notify whether the database has NOTIFY (`Postgres.canNotify`)
 * @param above the last `n` of this hub that others may have seen. A database that was lost with its last commits counts
 * on from before these, and what got the same number twice, others would take for what they have seen
 * @returns the `n` of this transaction; null: there are no changes
 */
export async function appendChanges<Tables>(
  transaction: Kysely<Tables>,
  hubId: string,
  changes: readonly Change[],
  notify: boolean,
  above = 0,
): Promise<number | null> {
  if (changes.length === 0) return null;
  const within = transaction as unknown as Kysely<ClusterTables>;
  const { n, at } = await within
    .insertInto("change_heads")
    .values({ hub: hubId, n: above + 1, at: databaseNow })
    .onConflict((on) =>
      on.column("hub").doUpdateSet({ n: sql<number>`greatest(change_heads.n + 1, excluded.n)`, at: databaseNow }),
    )
    .returning(["n", "at"])
    .executeTakeFirstOrThrow();
  await within
    .insertInto("changes")
    .values({ hub: hubId, n, at, body: textOf(changes) })
    .execute();
  if (notify) await sql`SELECT pg_notify(${changesChannel}, ${hubId})`.execute(within);
  return n;
}

/** Tells other hubs of what is changed already, in a transaction of its own. Rejects with a Fault. */
export async function announceChanges(postgres: Postgres, hubId: string, changes: readonly Change[]): Promise<void> {
  try {
    const db = postgres.queries<ClusterTables>();
    await db
      .transaction()
      .execute((within) => appendChanges<ClusterTables>(within, hubId, changes, postgres.canNotify));
  } catch (error) {
    throw faultOf(error);
  }
}

/** Ids by kind, each once: `{"beat":["…","…"]}`. */
export function textOf(changes: readonly Change[]): string {
  const kinds: Record<string, Set<string>> = {};
  for (const { kind, id } of changes) (kinds[kind] ??= new Set()).add(id);
  return JSON.stringify(Object.fromEntries(Object.entries(kinds).map(([kind, ids]) => [kind, [...ids]])));
}

/** What `textOf` wrote; undefined: another version of the hub wrote it otherwise. */
export function changesOf(text: string): Change[] | undefined {
  const kinds: unknown = JSON.parse(text);
  if (typeof kinds !== "object" || kinds === null) return undefined;
  const changes: Change[] = [];
  for (const [kind, ids] of Object.entries(kinds)) {
    if (!Array.isArray(ids)) return undefined;
    for (const id of ids) changes.push({ kind: kind as Change["kind"], id: String(id) });
  }
  return changes;
}
