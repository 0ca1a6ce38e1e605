/** Rows of `errors.db` as the port has them. */
import type { Database } from "bun:sqlite";

import type { CrashRow, GroupRow, SampleRow, VariantRow } from "#src/protocol/error-rows.ts";

/** Columns under the names that the port gives them. */
export const groupColumns =
  "id, project, fingerprint, kind, level, format, type, value, culprit, explanation, first_ms AS firstMs, last_ms AS lastMs, count, state, decided_at_ms AS decidedAtMs, decided_by AS decidedBy, resolved_in AS resolvedIn, ignored_until_ms AS ignoredUntilMs, ignored_until_count AS ignoredUntilCount, regressed_at_ms AS regressedAtMs";
export const variantColumns =
  'id, fingerprint, variant, group_id AS "group", count, first_ms AS firstMs, last_ms AS lastMs';
const sampleColumns = 'id, group_id AS "group", variant, at_ms AS atMs, position, number, last, body';
const crashColumns = 'event, group_id AS "group", variant, server, source, at_ms AS atMs, type, how';

type RawSample = Omit<SampleRow, "last"> & { readonly last: number };

const toSample = (row: RawSample): SampleRow => ({ ...row, last: row.last === 1 });

/** Looking up single things: what every event and every page of a group asks. */
export function createLookups(database: Database) {
  const statements = {
    group: database.prepare<GroupRow, [string]>(
      `SELECT ${groupColumns} FROM groups WHERE id = (SELECT group_id FROM routes WHERE fingerprint = ?)`,
    ),
    groupById: database.prepare<GroupRow, [number]>(`SELECT ${groupColumns} FROM groups WHERE id = ?`),
    variant: database.prepare<VariantRow, [string, string]>(
      `SELECT ${variantColumns} FROM variants WHERE fingerprint = ? AND variant = ?`,
    ),
    variantsOf: database.prepare<VariantRow, [number]>(`SELECT ${variantColumns} FROM variants WHERE group_id = ?`),
    countVariants: database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM variants WHERE fingerprint = ?",
    ),
    merged: database.prepare<{ fingerprint: string }, [number, string]>(
      "SELECT fingerprint FROM routes WHERE group_id = ? AND fingerprint <> ? ORDER BY fingerprint",
    ),
    firstSeen: database.prepare<{ ms: number }, [string, string]>(
      "SELECT first_ms AS ms FROM releases WHERE project = ? AND release = ?",
    ),
    countGroups: database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM groups WHERE project = ?",
    ),
    countReleases: database.prepare<{ count: number }, [string]>(
      "SELECT count(*) AS count FROM releases WHERE project = ?",
    ),
    samples: database.prepare<RawSample, [number, number, number]>(
      `SELECT ${sampleColumns} FROM samples WHERE group_id = ? AND id < ? ORDER BY id DESC LIMIT ?`,
    ),
    sample: database.prepare<RawSample, [number]>(`SELECT ${sampleColumns} FROM samples WHERE id = ?`),
    crashes: database.prepare<CrashRow, [number, number]>(
      `SELECT ${crashColumns} FROM crashes WHERE group_id = ? ORDER BY at_ms DESC LIMIT ?`,
    ),
    crashSummary: database.prepare<{ how: string; count: number; lastMs: number }, [number]>(
      "SELECT how, count(*) AS count, max(at_ms) AS lastMs FROM crashes WHERE group_id = ? GROUP BY how ORDER BY count DESC LIMIT 20",
    ),
    crashed: database.prepare<{ event: number; fingerprint: string }, [string]>(
      "SELECT event, fingerprint FROM crashes JOIN groups ON groups.id = group_id WHERE event IN (SELECT value FROM json_each(?))",
    ),
    due: database.prepare<GroupRow, [number]>(`SELECT ${groupColumns} FROM groups WHERE ignored_until_ms <= ?`),
  };
  return {
    find(fingerprint: string, name: string) {
      const variant = statements.variant.get(fingerprint, name);
      const group = variant === null ? statements.group.get(fingerprint) : statements.groupById.get(variant.group);
      return group === null ? null : { group, variant };
    },
    group: (fingerprint: string) => statements.group.get(fingerprint),
    groupById: (id: number) => statements.groupById.get(id),
    variantsOf: (group: number) => statements.variantsOf.all(group),
    countVariants: (fingerprint: string) => statements.countVariants.get(fingerprint)?.count ?? 0,
    mergedInto: ({ id, fingerprint }: GroupRow) => statements.merged.all(id, fingerprint).map((row) => row.fingerprint),
    firstSeen: (project: string, release: string) => statements.firstSeen.get(project, release)?.ms ?? null,
    countGroups: (project: string) => statements.countGroups.get(project)?.count ?? 0,
    countReleases: (project: string) => statements.countReleases.get(project)?.count ?? 0,
    samples: (group: number, before: number | null, limit: number) =>
      statements.samples.all(group, before ?? Number.MAX_SAFE_INTEGER, limit).map(toSample),
    sample(id: number) {
      const row = statements.sample.get(id);
      return row === null ? null : toSample(row);
    },
    crashes: (group: number, limit: number) => statements.crashes.all(group, limit),
    crashSummary: (group: number) => statements.crashSummary.all(group),
    fingerprintsOfCrashes: (events: readonly number[]) =>
      new Map(statements.crashed.all(JSON.stringify(events)).map(({ event, fingerprint }) => [event, fingerprint])),
    dueGroups: (nowMs: number) => statements.due.all(nowMs),
  };
}
