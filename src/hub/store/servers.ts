/** Servers: identities with their tokens' digests, and latest heartbeats. */
import { sql } from "kysely";

import { manyRows } from "./many-rows.ts";
import type { BeatRow, ServerChange, ServerRow, StateStore } from "./port.ts";
import type { StateDatabase } from "./state-database.ts";
import type { StateTables } from "./state-tables.ts";
import { type Call, type Work, asGiven, callOf, run, statement } from "./statement.ts";

type Row = StateTables["servers"];

export type ServersTable = Pick<StateStore, "servers" | "putServer" | "changeServer" | "deleteServer" | "putBeats">;

/** @param forgetEvents deletes the events of a server, and what is known of its deliveries */
export function createServersTable(
  { queries, read, write, writeLightly, isOneOf, look }: StateDatabase,
  forgetEvents: (serverId: string) => Work<void>,
): ServersTable {
  const put = statement<Row>((value) =>
    queries
      .insertInto("servers")
      .values({
        id: value("id"),
        project_id: value("project_id"),
        hostname: value("hostname"),
        created_at_ms: value("created_at_ms"),
        machine: value("machine"),
        replaced_at_ms: value("replaced_at_ms"),
        digest: value("digest"),
        token_used_at_ms: value("token_used_at_ms"),
        version: value("version"),
        last_seen_ms: value("last_seen_ms"),
        heartbeat: value("heartbeat"),
      })
      .onConflict((on) =>
        on
          .column("id")
          .doUpdateSet(
            asGiven(
              "project_id",
              "hostname",
              "machine",
              "replaced_at_ms",
              "digest",
              "token_used_at_ms",
              "version",
              "last_seen_ms",
              "heartbeat",
            ),
          ),
      ),
  );
  const putBeat = statement<BeatRow>((value) =>
    queries
      .updateTable("servers")
      .set({
        version: value("version"),
        last_seen_ms: value("lastSeenMs"),
        heartbeat: value("heartbeat"),
        token_used_at_ms: value("tokenUsedAtMs"),
      })
      .where("id", "=", value("id")),
  );
  const putBeatsTogether = createBeatsTogether(queries);
  const drop = statement<{ readonly id: string }>((value) =>
    queries.deleteFrom("servers").where("id", "=", value("id")),
  );

  return {
    async servers(ids) {
      const all = queries.selectFrom("servers").selectAll();
      const rows = await read(ids === undefined ? all : all.where(isOneOf("id", ids)));
      return rows.map(rowOf);
    },
    putServer: (row) =>
      write(function* ({ changed }) {
        yield* run(put.with(columnsOf(row)));
        changed("server", row.id);
      }),
    changeServer: (id, known, change) =>
      write(function* ({ changed }) {
        const query = queries
          .updateTable("servers")
          .set(changeOf(change))
          .where("id", "=", id)
          .where("hostname", "=", known.hostname)
          .where("machine", "is not distinct from", known.machine)
          .where("replaced_at_ms", "is not distinct from", known.replacedAtMs)
          .where("digest", "is not distinct from", known.digest);
        const done = (yield callOf(query)).changes > 0;
        if (done) changed("server", id);
        return done;
      }),
    deleteServer: (id) =>
      write(function* ({ changed }) {
        yield* forgetEvents(id);
        yield drop.with({ id });
        changed("server", id);
      }),
    putBeats: (rows) =>
      // the next beat carries everything again
      writeLightly(function* ({ changed }) {
        for (const call of look === null ? putBeatsTogether(rows) : rows.map(putBeat.with)) yield call;
        for (const { id } of rows) changed("beat", id);
      }),
  };
}

/** Heartbeats of several servers in a few statements; of each server the last one. */
function createBeatsTogether(queries: StateDatabase["queries"]): (rows: readonly BeatRow[]) => readonly Call[] {
  const put = manyRows<BeatRow>(["id", "version", "lastSeenMs", "heartbeat", "tokenUsedAtMs"], (rows) => {
    const values = rows.map(
      ({ id, version, lastSeenMs, heartbeat, tokenUsedAtMs }) =>
        sql`(${id}, CAST(${version} AS text), CAST(${lastSeenMs} AS bigint), CAST(${heartbeat} AS text), CAST(${tokenUsedAtMs} AS bigint))`,
    );
    return {
      compile: () =>
        sql`UPDATE servers SET version = beats.version, last_seen_ms = beats.last_seen_ms, heartbeat = beats.heartbeat, token_used_at_ms = beats.token_used_at_ms
          FROM (VALUES ${sql.join(values)}) AS beats (id, version, last_seen_ms, heartbeat, token_used_at_ms)
          WHERE servers.id = beats.id`.compile(queries),
    };
  });
  return (rows) => {
    const last = new Map(rows.map((row) => [row.id, row]));
    // hubs that write the same ones do so in the same order
    return put([...last.values()].sort((a, b) => (a.id < b.id ? -1 : 1)));
  };
}

/** Columns of what is given; Kysely leaves out what is undefined. */
function changeOf(change: ServerChange): Partial<Row> {
  const { hostname, machine, replacedAtMs, digest, tokenUsedAtMs, version, lastSeenMs } = change;
  const columns = {
    hostname,
    machine,
    replaced_at_ms: replacedAtMs,
    digest,
    token_used_at_ms: tokenUsedAtMs,
    version,
    last_seen_ms: lastSeenMs,
  };
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined));
}

function rowOf(row: Row): ServerRow {
  return {
    id: row.id,
    projectId: row.project_id,
    hostname: row.hostname,
    createdAtMs: row.created_at_ms,
    machine: row.machine,
    replacedAtMs: row.replaced_at_ms,
    digest: row.digest,
    tokenUsedAtMs: row.token_used_at_ms,
    version: row.version,
    lastSeenMs: row.last_seen_ms,
    heartbeat: row.heartbeat,
  };
}

function columnsOf(row: ServerRow): Row {
  return {
    id: row.id,
    project_id: row.projectId,
    hostname: row.hostname,
    created_at_ms: row.createdAtMs,
    machine: row.machine,
    replaced_at_ms: row.replacedAtMs,
    digest: row.digest,
    token_used_at_ms: row.tokenUsedAtMs,
    version: row.version,
    last_seen_ms: row.lastSeenMs,
    heartbeat: row.heartbeat,
  };
}
