/** API keys and enrolment tokens, and when tokens were last used. */
import type { StateStore, TokenRow } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { asGiven, rowsOf, run, statement } from "./statement.ts";

type Row = StateTables["tokens"];

export type TokensTable = Pick<
  StateStore,
  "tokens" | "putToken" | "deleteToken" | "spendToken" | "refundToken" | "putUses"
>;

export function createTokensTable({ queries, read, write, isOneOf }: StateDatabase): TokensTable {
  const { put, drop, spend, refund, useOf } = statementsOf(queries);

  return {
    async tokens(ids) {
      const all = queries.selectFrom("tokens").selectAll();
      return (await read(ids === undefined ? all : all.where(isOneOf("id", ids)))).map(rowOf);
    },
    putToken: (row) =>
      write(function* ({ changed }) {
        yield put.with(columnsOf(row));
        changed("token", row.id);
      }),
    deleteToken: (id) =>
      write(function* ({ changed }) {
        yield drop.with({ id });
        changed("token", id);
      }),
    spendToken: (id) => count(spend, id),
    refundToken: (id) => count(refund, id),
    putUses: (uses) =>
      write(function* ({ changed }) {
        for (const { id, kind, atMs } of uses) {
          // another hub may have seen it later
          if ((yield* run(useOf[kind].with({ id, atMs }))) > 0) changed(kind, id);
        }
      }),
  };

  function count(by: typeof spend, id: string): Promise<number | null> {
    return write(function* ({ changed }) {
      const [token] = yield* rowsOf(by.with({ id }));
      if (token === undefined) return null;
      changed("token", id);
      return token.uses;
    });
  }
}

function statementsOf(queries: StateDatabase["queries"]) {
  type Id = { readonly id: string };
  type Use = { readonly id: string; readonly atMs: number };
  const useOf = (table: "sources" | "tokens") =>
    statement<Use>((value) =>
      queries
        .updateTable(table)
        .set({ last_used_at_ms: value("atMs") })
        .where("id", "=", value("id"))
        .where((eb) => eb.or([eb("last_used_at_ms", "is", null), eb("last_used_at_ms", "<", value("atMs"))])),
    );
  return {
    put: statement<Row>((value) =>
      queries
        .insertInto("tokens")
        .values({
          id: value("id"),
          kind: value("kind"),
          organization_id: value("organization_id"),
          project_id: value("project_id"),
          name: value("name"),
          hint: value("hint"),
          digest: value("digest"),
          scopes: value("scopes"),
          created_at_ms: value("created_at_ms"),
          created_by: value("created_by"),
          expires_at_ms: value("expires_at_ms"),
          max_uses: value("max_uses"),
          uses: value("uses"),
          last_used_at_ms: value("last_used_at_ms"),
        })
        .onConflict((on) => on.column("id").doUpdateSet(asGiven("uses", "last_used_at_ms"))),
    ),
    drop: statement<Id>((value) => queries.deleteFrom("tokens").where("id", "=", value("id"))),
    // both look and count in one statement, so that two hubs can't take the same use
    spend: statement<Id, Pick<Row, "uses">>((value) =>
      queries
        .updateTable("tokens")
        .set((eb) => ({ uses: eb("uses", "+", 1) }))
        .where("id", "=", value("id"))
        .where("kind", "=", "enrolment")
        .where((eb) => eb.or([eb("max_uses", "is", null), eb("uses", "<", eb.ref("max_uses"))]))
        .returning("uses"),
    ),
    refund: statement<Id, Pick<Row, "uses">>((value) =>
      queries
        .updateTable("tokens")
        .set((eb) => ({ uses: eb("uses", "-", 1) }))
        .where("id", "=", value("id"))
        .where("uses", ">", 0)
        .returning("uses"),
    ),
    useOf: { source: useOf("sources"), token: useOf("tokens") },
  };
}

function rowOf(row: Row): TokenRow {
  return {
    id: row.id,
    kind: row.kind,
    organizationId: row.organization_id,
    projectId: row.project_id,
    name: row.name,
    hint: row.hint,
    digest: row.digest,
    scopes: JSON.parse(row.scopes) as readonly string[],
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
    expiresAtMs: row.expires_at_ms,
    maxUses: row.max_uses,
    uses: row.uses,
    lastUsedAtMs: row.last_used_at_ms,
  };
}

function columnsOf(row: TokenRow): Row {
  return {
    id: row.id,
    kind: row.kind,
    organization_id: row.organizationId,
    project_id: row.projectId,
    name: row.name,
    hint: row.hint,
    digest: row.digest,
    scopes: JSON.stringify(row.scopes),
    created_at_ms: row.createdAtMs,
    created_by: row.createdBy,
    expires_at_ms: row.expiresAtMs,
    max_uses: row.maxUses,
    uses: row.uses,
    last_used_at_ms: row.lastUsedAtMs,
  };
}
