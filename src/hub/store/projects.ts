/** Projects and sources. */
import { Fault } from "#src/protocol/fault.ts";
import type { ProjectRow, SourceRow, StateStore } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { callOf, rowsOf, run, statement } from "./statement.ts";

export type ProjectsTable = Pick<
  StateStore,
  | "projects"
  | "putProject"
  | "changeProject"
  | "deleteProject"
  | "sources"
  | "putSource"
  | "renewSource"
  | "deleteSource"
>;

export function createProjectsTable({ queries, read, write, isOneOf }: StateDatabase): ProjectsTable {
  const { putProject, holdsServers, drops, putSource, renewSource, dropSource } = statementsOf(queries);

  return {
    async projects(ids) {
      const all = queries.selectFrom("projects").selectAll();
      const rows = await read(ids === undefined ? all : all.where(isOneOf("id", ids)));
      return rows.map((row): ProjectRow => ({
        id: row.id,
        organizationId: row.organization_id,
        name: row.name,
        createdAtMs: row.created_at_ms,
        retention: { days: row.retention_days, bytes: row.retention_bytes },
      }));
    },
    putProject: ({ id, organizationId, name, createdAtMs, retention }) =>
      write(function* ({ changed }) {
        yield putProject.with({
          id,
          organization_id: organizationId,
          name,
          created_at_ms: createdAtMs,
          retention_days: retention.days,
          retention_bytes: retention.bytes,
        });
        changed("project", id);
      }),
    changeProject: (id, { organizationId, name, retention }) =>
      write(function* ({ changed }) {
        const columns = {
          ...(organizationId === undefined ? {} : { organization_id: organizationId }),
          ...(name === undefined ? {} : { name }),
          ...(retention === undefined ? {} : { retention_days: retention.days, retention_bytes: retention.bytes }),
        };
        // nothing but that: another hub may be changing the rest
        const isThere = (yield callOf(queries.updateTable("projects").set(columns).where("id", "=", id))).changes > 0;
        if (isThere) changed("project", id);
        return isThere;
      }),
    deleteProject: (id) =>
      write(function* ({ changed }) {
        if ((yield* rowsOf(holdsServers.with({ id }))).length > 0) {
          throw new Fault("conflict", "servers are in this project", { hint: "Remove its servers first" });
        }
        yield* run(...drops.map((drop) => drop.with({ id })));
        // its sources and tokens go with it
        changed("project", id);
      }),
    async sources(ids) {
      const all = queries.selectFrom("sources").selectAll();
      const rows = await read(ids === undefined ? all : all.where(isOneOf("id", ids)));
      return rows.map((row): SourceRow => ({
        id: row.id,
        projectId: row.project_id,
        name: row.name,
        createdAtMs: row.created_at_ms,
        digest: row.digest,
        lastUsedAtMs: row.last_used_at_ms,
      }));
    },
    putSource: ({ id, projectId, name, createdAtMs, digest, lastUsedAtMs }) =>
      write(function* ({ changed }) {
        yield putSource.with({
          id,
          project_id: projectId,
          name,
          created_at_ms: createdAtMs,
          digest,
          last_used_at_ms: lastUsedAtMs,
        });
        changed("source", id);
      }),
    renewSource: (id, known, digest) =>
      write(function* ({ changed }) {
        const renewed = (yield* run(renewSource.with({ id, known, digest }))) > 0;
        if (renewed) changed("source", id);
        return renewed;
      }),
    deleteSource: (id) =>
      write(function* ({ changed }) {
        yield dropSource.with({ id });
        changed("source", id);
      }),
  };
}

function statementsOf(queries: StateDatabase["queries"]) {
  type Id = { readonly id: string };
  return {
    putProject: statement<StateTables["projects"]>((value) =>
      queries
        .insertInto("projects")
        .values({
          id: value("id"),
          organization_id: value("organization_id"),
          name: value("name"),
          created_at_ms: value("created_at_ms"),
          retention_days: value("retention_days"),
          retention_bytes: value("retention_bytes"),
        })
        .onConflict((on) => on.column("id").doNothing()),
    ),
    holdsServers: statement<Id, { id: string }>((value) =>
      queries.selectFrom("servers").select("id").where("project_id", "=", value("id")).limit(1),
    ),
    drops: [
      statement<Id>((value) => queries.deleteFrom("sources").where("project_id", "=", value("id"))),
      statement<Id>((value) => queries.deleteFrom("tokens").where("project_id", "=", value("id"))),
      statement<Id>((value) => queries.deleteFrom("projects").where("id", "=", value("id"))),
    ],
    putSource: statement<StateTables["sources"]>((value) =>
      queries.insertInto("sources").values({
        id: value("id"),
        project_id: value("project_id"),
        name: value("name"),
        created_at_ms: value("created_at_ms"),
        digest: value("digest"),
        last_used_at_ms: value("last_used_at_ms"),
      }),
    ),
    renewSource: statement<Id & { readonly known: Uint8Array; readonly digest: Uint8Array }>((value) =>
      queries
        .updateTable("sources")
        .set({ digest: value("digest") })
        .where("id", "=", value("id"))
        .where("digest", "=", value("known")),
    ),
    dropSource: statement<Id>((value) => queries.deleteFrom("sources").where("id", "=", value("id"))),
  };
}
