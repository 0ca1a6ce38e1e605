/** How the tables of the state have come to be what they are, in SQLite and in Postgres. */
import { type Kysely, PostgresAdapter, sql } from "kysely";
import type { Migration } from "kysely/migration";

import type { StateTables } from "./state-tables.ts";

/**
 * What columns are called: whole numbers up to 2^53, numbers, bytes. A row is counted by SQLite itself; hubs that share a
 * database count in another table, because a sequence gives numbers in another order than that of commits.
 */
function columnTypes<T>(db: Kysely<T>) {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  return isPostgres
    ? ({ whole: "bigint", number: "double precision", bytes: "bytea", countsItself: false } as const)
    : ({ whole: "integer", number: "real", bytes: "blob", countsItself: true } as const);
}

export const stateMigrations: Readonly<Record<string, Migration>> = {
  "0001-servers-and-events": {
    async up(db: Kysely<unknown>) {
      const { whole, bytes, countsItself } = columnTypes(db);
      await db.schema
        .createTable("servers")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("hostname", "text", (column) => column.notNull().unique())
        .addColumn("created_at_ms", whole, (column) => column.notNull())
        .addColumn("digest", bytes)
        .addColumn("version", "text")
        .addColumn("last_seen_ms", whole)
        .addColumn("heartbeat", "text")
        .execute();
      await db.schema
        .createTable("events")
        // AUTOINCREMENT: a position is never given twice, also after the newest event was deleted
        .addColumn("position", whole, (column) =>
          countsItself ? column.primaryKey().autoIncrement() : column.primaryKey(),
        )
        .addColumn("server", "text", (column) => column.notNull())
        .addColumn("at_ms", whole, (column) => column.notNull())
        .addColumn("type", "text", (column) => column.notNull())
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("events_by_time").on("events").columns(["at_ms", "position"]).execute();
      await db.schema.createIndex("events_by_server").on("events").columns(["server", "at_ms", "position"]).execute();
      await db.schema
        .createTable("senders")
        .addColumn("server", "text", (column) => column.primaryKey())
        .addColumn("ranges", "text", (column) => column.notNull())
        .addColumn("batches", "text", (column) => column.notNull())
        .execute();
    },
  },
  "0002-projects-tokens-audit": {
    async up(db: Kysely<unknown>) {
      await makeProjects(db);
      await moveServers(db);
      await makeTokens(db);
      await makeAudit(db);
      // the server and the type are in it too: whose an event is can be told without reading it
      await db.schema.dropIndex("events_by_time").execute();
      await db.schema
        .createIndex("events_by_time")
        .on("events")
        .columns(["at_ms", "position", "server", "type"])
        .execute();
    },
  },
  "0003-ssh-and-jobs": { up: makeSshAndJobs },
  "0004-retention": {
    async up(db: Kysely<unknown>) {
      const { whole, number } = columnTypes(db);
      // null: as long, and as much, as the hub keeps
      await db.schema.alterTable("projects").addColumn("retention_days", number).execute();
      await db.schema.alterTable("projects").addColumn("retention_bytes", whole).execute();
    },
  },
  "0005-several-hubs": {
    async up(db: Kysely<unknown>) {
      const { whole } = columnTypes(db);
      await db.schema.alterTable("jobs").addColumn("holder", "text").execute();
      await db.schema
        .alterTable("jobs")
        .addColumn("cancelled", whole, (column) => column.notNull().defaultTo(0))
        .execute();
      // of the open jobs of a server one is held at a time, whichever hubs reach for them
      await db.schema
        .createIndex("jobs_held")
        .unique()
        .on("jobs")
        .column("server")
        .where(sql.ref("over"), "=", 0)
        .where(sql.ref("holder"), "is not", null)
        .execute();
      await db.schema
        .createTable("watches")
        .addColumn("server", "text", (column) => column.primaryKey().references("servers.id").onDelete("cascade"))
        .addColumn("body", "text", (column) => column.notNull())
        .execute();
    },
  },
};

async function makeProjects(db: Kysely<unknown>): Promise<void> {
  const { whole, bytes } = columnTypes(db);
  await db.schema
    .createTable("projects")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("organization_id", "text")
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("sources")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("project_id", "text", (column) => column.notNull().references("projects.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .addColumn("digest", bytes, (column) => column.notNull())
    .addColumn("last_used_at_ms", whole)
    .addUniqueConstraint("sources_by_name", ["project_id", "name"])
    .execute();
}

/** The servers so far go into a project "default", which the first organization takes over. */
async function moveServers(db: Kysely<unknown>): Promise<void> {
  const { whole, bytes } = columnTypes(db);
  const old = db as Kysely<{ servers: { created_at_ms: number }; projects: StateTables["projects"] }>;
  const oldest = await old
    .selectFrom("servers")
    .select((get) => get.fn.min("created_at_ms").as("ms"))
    .executeTakeFirst();
  const id = crypto.randomUUID();
  if (oldest?.ms != null) {
    const project = { id, organization_id: null, name: "default", created_at_ms: oldest.ms };
    await old.insertInto("projects").values(project).execute();
  }
  // SQLite can't take the UNIQUE from a column: the table is made anew (sqlite.org/lang_altertable.html, section 7)
  await db.schema
    .createTable("servers_new")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("project_id", "text", (column) => column.notNull().references("projects.id"))
    .addColumn("hostname", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .addColumn("machine", "text")
    .addColumn("replaced_at_ms", whole)
    .addColumn("digest", bytes)
    .addColumn("token_used_at_ms", whole)
    .addColumn("version", "text")
    .addColumn("last_seen_ms", whole)
    .addColumn("heartbeat", "text")
    .addUniqueConstraint("servers_by_hostname", ["project_id", "hostname"])
    .execute();
  await sql`
    INSERT INTO servers_new (id, project_id, hostname, created_at_ms, digest, version, last_seen_ms, heartbeat)
    SELECT id, ${id}, hostname, created_at_ms, digest, version, last_seen_ms, heartbeat FROM servers
  `.execute(db);
  await db.schema.dropTable("servers").execute();
  await db.schema.alterTable("servers_new").renameTo("servers").execute();
}

async function makeTokens(db: Kysely<unknown>): Promise<void> {
  const { whole, bytes } = columnTypes(db);
  await db.schema
    .createTable("tokens")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("organization_id", "text", (column) => column.notNull())
    .addColumn("project_id", "text", (column) => column.references("projects.id"))
    .addColumn("name", "text", (column) => column.notNull())
    .addColumn("hint", "text", (column) => column.notNull())
    .addColumn("digest", bytes, (column) => column.notNull())
    .addColumn("scopes", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .addColumn("created_by", "text")
    .addColumn("expires_at_ms", whole)
    .addColumn("max_uses", whole)
    .addColumn("uses", whole, (column) => column.notNull())
    .addColumn("last_used_at_ms", whole)
    .execute();
  await db.schema
    .createTable("devices")
    .addColumn("user_code", "text", (column) => column.primaryKey())
    .addColumn("hostname", "text")
    .addColumn("address", "text")
    .addColumn("purpose", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .addColumn("expires_at_ms", whole, (column) => column.notNull())
    .execute();
}

async function makeAudit(db: Kysely<unknown>): Promise<void> {
  const { whole, countsItself } = columnTypes(db);
  await db.schema
    .createTable("audit")
    .addColumn("position", whole, (column) =>
      countsItself ? column.primaryKey().autoIncrement() : column.primaryKey(),
    )
    .addColumn("organization_id", "text")
    .addColumn("at_ms", whole, (column) => column.notNull())
    .addColumn("action", "text", (column) => column.notNull())
    .addColumn("actor", "text")
    .addColumn("target", "text")
    .addColumn("body", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("audit_by_time").on("audit").columns(["at_ms", "position", "organization_id"]).execute();
}

/** Everything in them belongs to a server and goes with it. */
async function makeSshAndJobs(db: Kysely<unknown>): Promise<void> {
  const { whole, bytes } = columnTypes(db);
  await db.schema
    .createTable("ssh")
    .addColumn("server", "text", (column) => column.primaryKey().references("servers.id").onDelete("cascade"))
    .addColumn("body", "text", (column) => column.notNull())
    .addColumn("sealed", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("ssh_hub_keys")
    .addColumn("organization_id", "text", (column) => column.primaryKey())
    .addColumn("sealed", "text", (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("jobs")
    .addColumn("id", "text", (column) => column.primaryKey())
    .addColumn("server", "text", (column) => column.notNull().references("servers.id").onDelete("cascade"))
    .addColumn("over", whole, (column) => column.notNull())
    .addColumn("created_at_ms", whole, (column) => column.notNull())
    .addColumn("body", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("jobs_by_server").on("jobs").columns(["server", "created_at_ms"]).execute();
  await db.schema.createIndex("jobs_open").on("jobs").columns(["over", "created_at_ms"]).execute();
  await db.schema
    .createTable("pending_tokens")
    .addColumn("server", "text", (column) => column.primaryKey().references("servers.id").onDelete("cascade"))
    .addColumn("digest", bytes, (column) => column.notNull())
    .execute();
}
