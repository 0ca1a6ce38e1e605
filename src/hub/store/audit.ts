/** The audit trail: entries are added and read, never changed. */
import type { Database } from "bun:sqlite";

import type { AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import type { AuditSearch, StateStore } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { type Work, run, statement } from "./statement.ts";

export type AuditTable = Pick<StateStore, "addAudit" | "audit"> & {
  /** Deletes failed sign-ins older than `beforeMs` that belong to nobody. */
  readonly prune: (beforeMs: number) => Work<number>;
};

/** The columns of an entry; its position comes with its writing. */
function columnsOf(organizationId: string | null, entry: Omit<AuditEntry, "id">) {
  const { at, action, actor, target } = entry;
  return {
    organization_id: organizationId,
    at_ms: Date.parse(at),
    action,
    actor: actor.id,
    target: target?.id ?? null,
    body: JSON.stringify(entry),
  };
}

/** Adds an entry to SQLite on a connection of whichever process. @throws SQLite's error */
export function addAuditRow(database: Database, organizationId: string | null, entry: Omit<AuditEntry, "id">): void {
  const { organization_id, at_ms, action, actor, target, body } = columnsOf(organizationId, entry);
  database
    .query<unknown, [string | null, number, string, string | null, string | null, string]>(
      "INSERT INTO audit (organization_id, at_ms, action, actor, target, body) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .run(organization_id, at_ms, action, actor, target, body);
}

export function createAuditTable({ queries, search: find, write }: StateDatabase): AuditTable {
  type Row = StateTables["audit"];
  const add = statement<Omit<Row, "position"> & { readonly position: number | null }>((value) =>
    queries.insertInto("audit").values({
      // SQLite gives one itself when there is none
      position: value("position") as number,
      organization_id: value("organization_id"),
      at_ms: value("at_ms"),
      action: value("action"),
      actor: value("actor"),
      target: value("target"),
      body: value("body"),
    }),
  );
  const prune = statement<{ readonly beforeMs: number }>((value) =>
    queries
      .deleteFrom("audit")
      .where("at_ms", "<", value("beforeMs"))
      .where("organization_id", "is", null)
      .where("action", "=", "person.sign-in-failed"),
  );

  return {
    addAudit: (organizationId, entry) =>
      write(
        function* ({ next }) {
          yield add.with({ ...columnsOf(organizationId, entry), position: next("audit") });
        },
        { counts: true },
      ),
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
      const rows = await find(query);
      const page = rows.slice(0, search.limit);
      const last = page.at(-1);
      const more = rows.length > search.limit && last !== undefined;
      return {
        entries: page.map((row) => ({ ...(JSON.parse(row.body) as Omit<AuditEntry, "id">), id: String(row.position) })),
        cursor: more ? writeCursor({ ms: last.at_ms, position: last.position }) : null,
      };
    },
    prune: (beforeMs) => run(prune.with({ beforeMs })),
  };
}
