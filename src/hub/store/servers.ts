/** Servers in `state.db`: identities with their tokens' digests, and latest heartbeats. */
import { type Commits, storageFault } from "./commits.ts";
import type { Opened } from "./database.ts";
import type { BeatRow, ServerRow, StateStore } from "./port.ts";
import type { StateTables } from "./state-tables.ts";

type Text = string | null;
type Count = number | null;

export function createServersTable(
  { database, queries }: Opened<StateTables>,
  commits: Commits,
): Pick<StateStore, "servers" | "putServer" | "deleteServer" | "putBeats"> {
  const put = database.prepare<
    unknown,
    [string, string, string, number, Text, Count, Uint8Array | null, Count, Text, Count, Text]
  >(
    `INSERT INTO servers (id, project_id, hostname, created_at_ms, machine, replaced_at_ms, digest, token_used_at_ms, version, last_seen_ms, heartbeat)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET project_id = excluded.project_id, hostname = excluded.hostname, machine = excluded.machine,
       replaced_at_ms = excluded.replaced_at_ms, digest = excluded.digest, token_used_at_ms = excluded.token_used_at_ms,
       version = excluded.version, last_seen_ms = excluded.last_seen_ms, heartbeat = excluded.heartbeat`,
  );
  const putBeat = database.prepare<unknown, [Text, Count, Text, Count, string]>(
    "UPDATE servers SET version = ?, last_seen_ms = ?, heartbeat = ?, token_used_at_ms = ? WHERE id = ?",
  );
  const drops = [
    "DELETE FROM events WHERE server = ?",
    "DELETE FROM senders WHERE server = ?",
    "DELETE FROM servers WHERE id = ?",
  ].map((text) => database.prepare<unknown, [string]>(text));

  const putBeats = database.transaction((rows: readonly BeatRow[]) => {
    for (const row of rows) putBeat.run(row.version, row.lastSeenMs, row.heartbeat, row.tokenUsedAtMs, row.id);
  });

  return {
    async servers() {
      const rows = await queries.selectFrom("servers").selectAll().execute();
      return rows.map((row) => ({
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
      }));
    },
    putServer: (row: ServerRow) =>
      commits.write(0, () => {
        put.run(
          row.id,
          row.projectId,
          row.hostname,
          row.createdAtMs,
          row.machine,
          row.replacedAtMs,
          row.digest,
          row.tokenUsedAtMs,
          row.version,
          row.lastSeenMs,
          row.heartbeat,
        );
      }),
    deleteServer: (id) =>
      commits.write(0, () => {
        for (const drop of drops) drop.run(id);
      }),
    async putBeats(rows) {
      // what is open first: the setting can't change within a transaction
      commits.flush();
      // the next beat carries everything again, so these need not wait for the disk, nor make others wait for it
      database.run("PRAGMA synchronous = NORMAL");
      try {
        putBeats(rows);
      } catch (error) {
        throw storageFault(error);
      } finally {
        database.run("PRAGMA synchronous = FULL");
      }
    },
  };
}
