/** What is too old in `errors.db`; for use within a transaction. */
import type { Database } from "bun:sqlite";

import type { PruneLimits } from "#src/protocol/error-rows.ts";
import type { ErrorStore } from "./port.ts";

const hourMs = 3_600_000;

export function createRetention(database: Database): (limits: PruneLimits) => ReturnType<ErrorStore["prune"]> {
  const statements = {
    fold: database.prepare<unknown, [number]>(
      "INSERT INTO counts (variant, hour, server, source, release, count, last_ms) SELECT variant, 0, server, source, release, sum(count), max(last_ms) FROM counts WHERE hour > 0 AND hour < ? GROUP BY variant, server, source, release ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ms = max(last_ms, excluded.last_ms)",
    ),
    dropFolded: database.prepare<unknown, [number]>("DELETE FROM counts WHERE hour > 0 AND hour < ?"),
    dropSamples: database.prepare<unknown, [number, string]>(
      "DELETE FROM samples WHERE at_ms < ? AND group_id IN (SELECT id FROM groups WHERE project = ?)",
    ),
    dropCrashes: database.prepare<unknown, [number, string]>(
      "DELETE FROM crashes WHERE at_ms < ? AND group_id IN (SELECT id FROM groups WHERE project = ?)",
    ),
    dropGroups: database.prepare<unknown, [number, number, string]>(
      "DELETE FROM groups WHERE (state = 'unresolved' AND last_ms < ?) OR last_ms < ? OR project NOT IN (SELECT value FROM json_each(?))",
    ),
    dropExcess: database.prepare<unknown, [string, string, number]>(
      "DELETE FROM groups WHERE state = 'unresolved' AND decided_at_ms IS NULL AND project = ? AND id IN (SELECT id FROM groups WHERE project = ? ORDER BY state <> 'unresolved' OR decided_at_ms IS NOT NULL DESC, count > 1 DESC, last_ms DESC, id LIMIT -1 OFFSET ?)",
    ),
    dropOldReleases: database.prepare<unknown, [string, string, number]>(
      "DELETE FROM releases WHERE project = ? AND release IN (SELECT release FROM releases WHERE project = ? ORDER BY first_ms DESC, release LIMIT -1 OFFSET ?) AND release NOT IN (SELECT resolved_in FROM groups WHERE resolved_in IS NOT NULL)",
    ),
    dropReleases: database.prepare<unknown, [string]>(
      "DELETE FROM releases WHERE project NOT IN (SELECT value FROM json_each(?))",
    ),
  };
  const orphans = ["variants", "routes", "samples", "crashes"].map((table) =>
    database.prepare<unknown, []>(`DELETE FROM ${table} WHERE group_id NOT IN (SELECT id FROM groups)`),
  );
  // every name is of a server, a source or a release that something was counted of
  const orphanNames = database.prepare<unknown, []>(
    "DELETE FROM names WHERE id NOT IN (SELECT server FROM counts UNION SELECT source FROM counts UNION SELECT release FROM counts)",
  );
  const orphanCounts = database.prepare<unknown, []>(
    "DELETE FROM counts WHERE variant NOT IN (SELECT id FROM variants)",
  );
  return ({ projects, idleSinceMs, decidedIdleSinceMs, keepGroups, keepReleases }) => {
    const known = JSON.stringify(projects.map(({ id }) => id));
    let samples = 0;
    for (const { id, beforeMs } of projects) {
      samples += statements.dropSamples.run(beforeMs, id).changes;
      statements.dropCrashes.run(beforeMs, id);
    }
    const earliest = projects.reduce((least, { beforeMs }) => Math.min(least, beforeMs), Number.MAX_SAFE_INTEGER);
    if (projects.length > 0) fold(Math.floor(earliest / hourMs));
    let groups = statements.dropGroups.run(idleSinceMs, decidedIdleSinceMs, known).changes;
    for (const { id } of projects) {
      groups += statements.dropExcess.run(id, id, keepGroups).changes;
      statements.dropOldReleases.run(id, id, keepReleases);
    }
    if (groups > 0) {
      for (const statement of orphans) statement.run();
      orphanCounts.run();
      orphanNames.run();
      statements.dropReleases.run(known);
    }
    return { samples, groups };
  };

  /** Adds hours up to one to the sum of those before. */
  function fold(hour: number): void {
    statements.fold.run(hour);
    statements.dropFolded.run(hour);
  }
}
