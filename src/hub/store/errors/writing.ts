/** Writing to `errors.db`; each function is for use within a transaction. */
import type { Database } from "bun:sqlite";

import type { ErrorWrites, GroupRow, VariantRow } from "#src/protocol/error-rows.ts";

/** Samples of a group that are kept: the first, the newest, and what of the others lies latest. */
const maxSamples = 20;

export type Writing = {
  readonly write: (writes: ErrorWrites) => void;
  readonly merge: (from: number, into: GroupRow) => void;
  readonly split: (variant: VariantRow, from: GroupRow, made: GroupRow) => void;
  /** Names may have gone. */
  readonly forgetNames: () => void;
};

export function createWriting(database: Database): Writing {
  const statements = prepare(database);
  // names are asked for with each count; a few thousand at most are in use
  const known = new Map<string, number>();

  function nameId(name: string): number {
    const before = known.get(name);
    if (before !== undefined) return before;
    statements.addName.run(name);
    const id = statements.name.get(name)?.id ?? 0;
    if (known.size >= maxKnownNames) known.clear();
    known.set(name, id);
    return id;
  }

  function putGroup(row: GroupRow): void {
    const { id, project, fingerprint, kind, level, format, type, value, culprit, explanation } = row;
    const { firstMs, lastMs, count, state, decidedAtMs, decidedBy, resolvedIn } = row;
    const { ignoredUntilMs, ignoredUntilCount, regressedAtMs } = row;
    const name = [id, project, fingerprint, kind, level, format, type, value, culprit, explanation];
    const standing = [decidedAtMs, decidedBy, resolvedIn, ignoredUntilMs, ignoredUntilCount, regressedAtMs];
    statements.putGroup.run(...name, firstMs, lastMs, count, state, ...standing);
    statements.putRoute.run(fingerprint, id);
  }

  function putSamples(samples: ErrorWrites["samples"]): void {
    const groups = new Set(samples.map(({ group }) => group));
    for (const group of groups) statements.dropLast.run(group);
    for (const { group, variant, atMs, position, number, last, body } of samples) {
      statements.addSample.run(group, variant, atMs, position, number, last ? 1 : 0, body);
    }
    for (const group of groups) {
      const excess = (statements.countSamples.get(group)?.count ?? 0) - maxSamples;
      // not the very first
      if (excess > 0) statements.thinSamples.run(group, excess);
    }
  }

  return {
    write(writes) {
      try {
        for (const row of writes.groups) putGroup(row);
        for (const { fingerprint, group } of writes.routes) statements.putRoute.run(fingerprint, group);
        for (const { id, fingerprint, variant, group, count, firstMs, lastMs } of writes.variants) {
          statements.putVariant.run(id, fingerprint, variant, group, count, firstMs, lastMs);
        }
        for (const { variant, hour, server, source, release, count, lastMs } of writes.counts) {
          statements.addCount.run(variant, hour, nameId(server), nameId(source), nameId(release), count, lastMs);
        }
        putSamples(writes.samples);
        for (const { event, group, variant, server, source, atMs, type, how } of writes.crashes) {
          statements.addCrash.run(event, group, variant, server, source, atMs, type, how);
        }
        for (const { owner, first, words } of writes.templates) statements.putTemplate.run(owner, first, words);
        for (const { project, release, firstMs } of writes.releases) {
          statements.putRelease.run(project, release, firstMs);
        }
        if (writes.resume !== null) statements.putResume.run(writes.resume);
      } catch (error) {
        // their rows go with the transaction
        known.clear();
        throw error;
      }
    },
    forgetNames: () => known.clear(),
    merge(from, into) {
      for (const statement of [statements.moveVariants, statements.moveRoutes, statements.moveCrashes]) {
        statement.run(into.id, from);
      }
      // its newest is not the newest of both
      statements.keepLast.run(from);
      statements.moveSamples.run(into.id, from);
      statements.dropGroup.run(from);
      putGroup(into);
    },
    split(variant, from, made) {
      putGroup(from);
      putGroup(made);
      statements.giveVariant.run(made.id, variant.id);
      statements.giveSamples.run(made.id, variant.id);
      statements.giveCrashes.run(made.id, variant.id);
    },
  };
}

/** Names whose numbers are kept in memory. */
const maxKnownNames = 20_000;

type Value = string | number | null;

function prepare(database: Database) {
  return {
    name: database.prepare<{ id: number }, [string]>("SELECT id FROM names WHERE name = ?"),
    addName: database.prepare<unknown, [string]>("INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING"),
    putGroup: database.prepare<unknown, Value[]>(
      "INSERT INTO groups (id, project, fingerprint, kind, level, format, type, value, culprit, explanation, first_ms, last_ms, count, state, decided_at_ms, decided_by, resolved_in, ignored_until_ms, ignored_until_count, regressed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, first_ms = excluded.first_ms, last_ms = excluded.last_ms, count = excluded.count, state = excluded.state, decided_at_ms = excluded.decided_at_ms, decided_by = excluded.decided_by, resolved_in = excluded.resolved_in, ignored_until_ms = excluded.ignored_until_ms, ignored_until_count = excluded.ignored_until_count, regressed_at_ms = excluded.regressed_at_ms",
    ),
    dropGroup: database.prepare<unknown, [number]>("DELETE FROM groups WHERE id = ?"),
    putRoute: database.prepare<unknown, [string, number]>(
      "INSERT INTO routes (fingerprint, group_id) VALUES (?, ?) ON CONFLICT (fingerprint) DO UPDATE SET group_id = excluded.group_id WHERE group_id <> excluded.group_id",
    ),
    putVariant: database.prepare<unknown, [number, string, string, number, number, number, number]>(
      "INSERT INTO variants (id, fingerprint, variant, group_id, count, first_ms, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET count = excluded.count, group_id = excluded.group_id, first_ms = excluded.first_ms, last_ms = excluded.last_ms",
    ),
    addCount: database.prepare<unknown, [number, number, number, number, number, number, number]>(
      "INSERT INTO counts (variant, hour, server, source, release, count, last_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ms = max(last_ms, excluded.last_ms)",
    ),
    dropLast: database.prepare<unknown, [number]>("DELETE FROM samples WHERE group_id = ? AND last = 1"),
    addSample: database.prepare<unknown, [number, number, number, number, number, number, Uint8Array]>(
      "INSERT INTO samples (group_id, variant, at_ms, position, number, last, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    countSamples: database.prepare<{ count: number }, [number]>(
      "SELECT count(*) AS count FROM samples WHERE group_id = ?",
    ),
    thinSamples: database.prepare<unknown, [number, number]>(
      "DELETE FROM samples WHERE id IN (SELECT id FROM samples WHERE group_id = ? AND last = 0 ORDER BY number, id LIMIT ? OFFSET 1)",
    ),
    addCrash: database.prepare<unknown, [number, number, number, string, string, number, string, string]>(
      "INSERT INTO crashes (event, group_id, variant, server, source, at_ms, type, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    ),
    putTemplate: database.prepare<unknown, [string, string, string]>(
      "INSERT INTO templates (owner, first, words) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET words = excluded.words",
    ),
    putRelease: database.prepare<unknown, [string, string, number]>(
      "INSERT INTO releases (project, release, first_ms) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET first_ms = min(first_ms, excluded.first_ms)",
    ),
    putResume: database.prepare<unknown, [string]>(
      "INSERT INTO follower (id, resume) VALUES (1, ?) ON CONFLICT DO UPDATE SET resume = excluded.resume",
    ),
    moveVariants: database.prepare<unknown, [number, number]>("UPDATE variants SET group_id = ? WHERE group_id = ?"),
    moveRoutes: database.prepare<unknown, [number, number]>("UPDATE routes SET group_id = ? WHERE group_id = ?"),
    moveCrashes: database.prepare<unknown, [number, number]>("UPDATE crashes SET group_id = ? WHERE group_id = ?"),
    keepLast: database.prepare<unknown, [number]>("UPDATE samples SET last = 0 WHERE group_id = ?"),
    moveSamples: database.prepare<unknown, [number, number]>("UPDATE samples SET group_id = ? WHERE group_id = ?"),
    giveVariant: database.prepare<unknown, [number, number]>("UPDATE variants SET group_id = ? WHERE id = ?"),
    giveSamples: database.prepare<unknown, [number, number]>(
      "UPDATE samples SET group_id = ?, last = 0 WHERE variant = ?",
    ),
    giveCrashes: database.prepare<unknown, [number, number]>("UPDATE crashes SET group_id = ? WHERE variant = ?"),
  };
}
