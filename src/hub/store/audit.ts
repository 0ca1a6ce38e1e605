/** The audit trail in `state.db`: entries are added and read, never changed. */
import type { Database } from "bun:sqlite";

import type { AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import type { Commits } from "./commits.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import type { Opened } from "./database.ts";
import type { AuditSearch, StateStore } from "./port.ts";
import type { StateTables } from "./state-tables.ts";

export type AuditTable = Pick<StateStore, "addAudit" | "audit"> & {
  /** Deletes failed sign-ins older than `beforeMs` that belong to nobody; within a transaction. */
  readonly prune: (beforeMs: number) => void;
};

/** Adds an entry on a connection of whichever process. @throws SQLite's error */
export function addAuditRow(database: Database, organizationId: string | null, entry: Omit<AuditEntry, "id">): void {
  const { at, action, actor, target } = entry;
  database
    .query<unknown, [string | null, number, string, string | null, string | null, string]>(
      "INSERT INTO audit (organization_id, at_ms, action, actor, target, body) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .run(organizationId, Date.parse(at), action, actor.id, target?.id ?? null, JSON.stringify(entry));
}

export function createAuditTable({ database, queries }: Opened<StateTables>, commits: Commits): AuditTable {
  const prune = database.prepare<unknown, [number]>(
    "DELETE FROM audit WHERE at_ms < ? AND organization_id IS NULL AND action = 'person.sign-in-failed'",
  );

  return {
    addAudit: (organizationId, entry) =>
      commits.write(0, () => {
        addAuditRow(database, organizationId, entry);
      }),
    async audit(search: AuditSearch): Promise<AuditPage> {
      let query = queries
        .selectFrom("audit")
        .select(["position", "at_ms", "body"])
        .orderBy("at_ms", "desc")
        .orderBy("position", "desc")
        .limit(search.limit + 1);
      query = query.where((where) => {
        const own = where("organization_id", "=", search.organizationId);
        return search.unowned ? where.or([own, where("organization_id", "is", null)]) : own;
      });
      if (search.action !== null) query = query.where("action", "=", search.action);
      if (search.target !== null) query = query.where("target", "=", search.target);
      if (search.actor !== null) query = query.where("actor", "=", search.actor);
      if (search.before !== null) {
        const before = readCursor(search.before);
        query = query.where((where) =>
          where(where.refTuple("at_ms", "position"), "<", where.tuple(before.ms, before.position)),
        );
      }
      const rows = await query.execute();
      const page = rows.slice(0, search.limit);
      const last = page.at(-1);
      const more = rows.length > search.limit && last !== undefined;
      return {
        entries: page.map((row) => ({ ...(JSON.parse(row.body) as Omit<AuditEntry, "id">), id: String(row.position) })),
        cursor: more ? writeCursor({ ms: last.at_ms, position: last.position }) : null,
      };
    },
    prune: (beforeMs) => void prune.run(beforeMs),
  };
}
