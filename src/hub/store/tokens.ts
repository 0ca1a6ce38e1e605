/** API keys and enrolment tokens in `state.db`, and when tokens were last used. */
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateStore, TokenRow } from "./port.ts";
import type { StateTables } from "./state-tables.ts";

type Text = string | null;
type Count = number | null;

export function createTokensTable(
  { database, queries }: Opened<StateTables>,
  commits: Commits,
): Pick<StateStore, "tokens" | "putToken" | "deleteToken" | "putUses"> {
  const put = database.prepare<
    unknown,
    [string, string, string, Text, string, string, Uint8Array, string, number, Text, Count, Count, number, Count]
  >(
    `INSERT INTO tokens (id, kind, organization_id, project_id, name, hint, digest, scopes, created_at_ms, created_by, expires_at_ms, max_uses, uses, last_used_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET uses = excluded.uses, last_used_at_ms = excluded.last_used_at_ms`,
  );
  const drop = database.prepare<unknown, [string]>("DELETE FROM tokens WHERE id = ?");
  const useOf = {
    source: database.prepare<unknown, [number, string]>("UPDATE sources SET last_used_at_ms = ? WHERE id = ?"),
    token: database.prepare<unknown, [number, string]>("UPDATE tokens SET last_used_at_ms = ? WHERE id = ?"),
  };

  return {
    async tokens() {
      const rows = await queries.selectFrom("tokens").selectAll().execute();
      return rows.map((row) => ({
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
      }));
    },
    putToken: (row: TokenRow) =>
      commits.write(0, () => {
        put.run(
          row.id,
          row.kind,
          row.organizationId,
          row.projectId,
          row.name,
          row.hint,
          row.digest,
          JSON.stringify(row.scopes),
          row.createdAtMs,
          row.createdBy,
          row.expiresAtMs,
          row.maxUses,
          row.uses,
          row.lastUsedAtMs,
        );
      }),
    deleteToken: (id) =>
      commits.write(0, () => {
        drop.run(id);
      }),
    putUses: (uses) =>
      commits.write(0, () => {
        for (const { id, kind, atMs } of uses) useOf[kind].run(atMs, id);
      }),
  };
}
