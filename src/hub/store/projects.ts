/** Projects and sources in `state.db`. */
import { Fault } from "#src/protocol/fault.ts";
import type { Commits } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { StateStore } from "./port.ts";
import type { StateTables } from "./state-tables.ts";

export function createProjectsTable(
  { database, queries }: Opened<StateTables>,
  commits: Commits,
): Pick<StateStore, "projects" | "putProject" | "deleteProject" | "sources" | "putSource" | "deleteSource"> {
  const putProject = database.prepare<unknown, [string, string | null, string, number, number | null, number | null]>(
    "INSERT INTO projects (id, organization_id, name, created_at_ms, retention_days, retention_bytes) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET organization_id = excluded.organization_id, name = excluded.name, retention_days = excluded.retention_days, retention_bytes = excluded.retention_bytes",
  );
  const holdsServers = database.prepare<{ one: number }, [string]>(
    "SELECT 1 AS one FROM servers WHERE project_id = ? LIMIT 1",
  );
  const drops = [
    "DELETE FROM sources WHERE project_id = ?",
    "DELETE FROM tokens WHERE project_id = ?",
    "DELETE FROM projects WHERE id = ?",
  ].map((text) => database.prepare<unknown, [string]>(text));
  const putSource = database.prepare<unknown, [string, string, string, number, Uint8Array, number | null]>(
    "INSERT INTO sources (id, project_id, name, created_at_ms, digest, last_used_at_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, digest = excluded.digest, last_used_at_ms = excluded.last_used_at_ms",
  );
  const dropSource = database.prepare<unknown, [string]>("DELETE FROM sources WHERE id = ?");

  return {
    async projects() {
      const rows = await queries.selectFrom("projects").selectAll().execute();
      return rows.map((row) => ({
        id: row.id,
        organizationId: row.organization_id,
        name: row.name,
        createdAtMs: row.created_at_ms,
        retention: { days: row.retention_days, bytes: row.retention_bytes },
      }));
    },
    putProject: ({ id, organizationId, name, createdAtMs, retention }) =>
      commits.write(0, () => {
        putProject.run(id, organizationId, name, createdAtMs, retention.days, retention.bytes);
      }),
    deleteProject: (id) =>
      commits.write(0, () => {
        if (holdsServers.get(id) !== null) {
          throw new Fault("conflict", "servers are in this project", { hint: "Remove its servers first" });
        }
        for (const drop of drops) drop.run(id);
      }),
    async sources() {
      const rows = await queries.selectFrom("sources").selectAll().execute();
      return rows.map((row) => ({
        id: row.id,
        projectId: row.project_id,
        name: row.name,
        createdAtMs: row.created_at_ms,
        digest: row.digest,
        lastUsedAtMs: row.last_used_at_ms,
      }));
    },
    putSource: ({ id, projectId, name, createdAtMs, digest, lastUsedAtMs }) =>
      commits.write(0, () => {
        putSource.run(id, projectId, name, createdAtMs, digest, lastUsedAtMs);
      }),
    deleteSource: (id) =>
      commits.write(0, () => {
        dropSource.run(id);
      }),
  };
}
