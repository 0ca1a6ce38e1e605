/** Taking over what was grouped anew: see `RegroupPlan`. For use within a transaction, with the staging store attached as `made`. */
import type { Database } from "bun:sqlite";

import type { GroupMap, GroupRow, RegroupPlan, VariantRow } from "#src/protocol/error-rows.ts";
import { groupColumns, variantColumns } from "./rows.ts";
import type { Writing } from "./writing.ts";

export function readMap(database: Database): GroupMap {
  return {
    groups: database.query<GroupRow, []>(`SELECT ${groupColumns} FROM groups ORDER BY id`).all(),
    variants: database.query<VariantRow, []>(`SELECT ${variantColumns} FROM variants ORDER BY id`).all(),
    routes: database
      .query<GroupMap["routes"][number], []>('SELECT fingerprint, group_id AS "group" FROM routes ORDER BY fingerprint')
      .all(),
  };
}

export function takeOver(database: Database, plan: RegroupPlan, writing: Writing): void {
  createPlaces(database, plan);
  for (const sql of replaceCounts) database.run(sql);
  addGroups(database, plan, writing);
  for (const sql of addCounts) database.run(sql);
  for (const sql of replaceSamples) database.run(sql);
  absorb(database, plan);
  for (const sql of settle) database.run(sql);
  writing.write({ ...nothing, resume: plan.resume });
  dropPlaces(database);
}

const nothing = {
  groups: [],
  variants: [],
  routes: [],
  counts: [],
  samples: [],
  crashes: [],
  templates: [],
  releases: [],
  resume: null,
};

const places = ["from_hours", "placed", "moved", "found"];

function createPlaces(database: Database, plan: RegroupPlan): void {
  dropPlaces(database);
  database.run("CREATE TEMP TABLE from_hours (server TEXT PRIMARY KEY, hour INTEGER NOT NULL) WITHOUT ROWID");
  database.run("CREATE TEMP TABLE placed (staged INTEGER PRIMARY KEY, id INTEGER NOT NULL)");
  database.run("CREATE TEMP TABLE moved (id INTEGER PRIMARY KEY, target INTEGER NOT NULL)");
  database.run("CREATE TEMP TABLE found (position INTEGER PRIMARY KEY)");
  const fill = (table: string, rows: readonly (readonly (string | number)[])[]) => {
    const marks = rows[0]?.map(() => "?").join(", ");
    if (marks === undefined) return;
    const add = database.prepare<unknown, (string | number)[]>(
      `INSERT OR REPLACE INTO temp.${table} VALUES (${marks})`,
    );
    for (const row of rows) add.run(...row);
    add.finalize();
  };
  fill("from_hours", [...plan.fromHours]);
  fill(
    "placed",
    plan.variants.map(({ staged, id }) => [staged, id]),
  );
  fill(
    "moved",
    plan.moved.map(({ id, to }) => [id, to]),
  );
  fill(
    "found",
    plan.found.map((position) => [position]),
  );
}

function dropPlaces(database: Database): void {
  for (const table of places) database.run(`DROP TABLE IF EXISTS temp.${table}`);
}

const sumOf = (counts: string, names: string) =>
  `(SELECT coalesce(sum(c.count), 0) FROM ${counts} c JOIN ${names} n ON n.id = c.server WHERE n.name = from_hours.server AND c.hour = from_hours.hour)`;

const replaceCounts = [
  // the hour of a server's oldest line may have lost some already: what was counted in it is then more than can be found
  `UPDATE temp.from_hours SET hour = hour + 1 WHERE ${sumOf("made.counts", "made.names")} < ${sumOf("main.counts", "main.names")}`,
  `DELETE FROM counts WHERE EXISTS (
     SELECT 1 FROM names n JOIN temp.from_hours f ON f.server = n.name WHERE n.id = counts.server AND counts.hour >= f.hour AND counts.hour > 0)`,
];

function addGroups(database: Database, plan: RegroupPlan, writing: Writing): void {
  // a fingerprint may go from one group to another
  const free = database.prepare<unknown, [number]>("UPDATE groups SET fingerprint = 'free:' || id WHERE id = ?");
  const rename = database.prepare<unknown, [string, string, number]>(
    "UPDATE groups SET fingerprint = ?, explanation = ? WHERE id = ?",
  );
  for (const { id } of plan.renamed) free.run(id);
  for (const { id } of plan.absorbed) free.run(id);
  for (const { id, fingerprint, explanation } of plan.renamed) rename.run(fingerprint, explanation, id);
  const counts = database.prepare<{ count: number }, [number]>("SELECT count FROM variants WHERE id = ?");
  const variants = plan.variants.map(({ staged: _, ...row }) => ({ ...row, count: counts.get(row.id)?.count ?? 0 }));
  writing.write({ ...nothing, groups: plan.groups, variants, routes: plan.routes });
}

const addCounts = [
  "INSERT INTO names (name) SELECT name FROM made.names WHERE true ON CONFLICT DO NOTHING",
  `INSERT INTO counts (variant, hour, server, source, release, count, last_ms)
     SELECT p.id, c.hour, s.id, o.id, r.id, c.count, c.last_ms FROM made.counts c
       JOIN temp.placed p ON p.staged = c.variant
       JOIN made.names ms ON ms.id = c.server JOIN names s ON s.name = ms.name
       JOIN made.names mo ON mo.id = c.source JOIN names o ON o.name = mo.name
       JOIN made.names mr ON mr.id = c.release JOIN names r ON r.name = mr.name
       JOIN temp.from_hours f ON f.server = ms.name AND c.hour >= f.hour
     WHERE true
     ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ms = max(last_ms, excluded.last_ms)`,
  `INSERT INTO templates (owner, first, words) SELECT owner, first, words FROM made.templates WHERE true
     ON CONFLICT DO UPDATE SET words = excluded.words`,
];

const replaceSamples = [
  "DELETE FROM samples WHERE position IN (SELECT position FROM temp.found)",
  // what was not found again goes where its neighbours have gone
  "UPDATE samples SET variant = (SELECT m.target FROM temp.moved m WHERE m.id = variant) WHERE variant IN (SELECT id FROM temp.moved)",
  "UPDATE crashes SET variant = (SELECT m.target FROM temp.moved m WHERE m.id = variant) WHERE variant IN (SELECT id FROM temp.moved)",
  "UPDATE samples SET last = 0",
  `INSERT INTO samples (group_id, variant, at_ms, position, number, last, body)
     SELECT 0, p.id, s.at_ms, s.position, s.number, s.last, s.body FROM made.samples s
       JOIN temp.placed p ON p.staged = s.variant ORDER BY s.position`,
];

function absorb(database: Database, plan: RegroupPlan): void {
  for (const table of ["variants", "routes"]) {
    const move = database.prepare<unknown, [number, number]>(`UPDATE ${table} SET group_id = ? WHERE group_id = ?`);
    for (const { id, into } of plan.absorbed) move.run(into, id);
  }
}

const hasGroup = "group_id IN (SELECT id FROM groups)";
const settle = [
  "UPDATE variants SET count = (SELECT coalesce(sum(count), 0) FROM counts WHERE counts.variant = variants.id)",
  "DELETE FROM variants WHERE count = 0",
  // what is ignored for so many more is so after that, too
  `UPDATE groups SET
     count = (SELECT sum(count) FROM variants WHERE group_id = groups.id),
     ignored_until_count = ignored_until_count - count + (SELECT sum(count) FROM variants WHERE group_id = groups.id),
     first_ms = (SELECT min(first_ms) FROM variants WHERE group_id = groups.id),
     last_ms = (SELECT max(last_ms) FROM variants WHERE group_id = groups.id)
   WHERE EXISTS (SELECT 1 FROM variants WHERE group_id = groups.id)`,
  "DELETE FROM groups WHERE NOT EXISTS (SELECT 1 FROM variants WHERE group_id = groups.id)",
  `DELETE FROM routes WHERE NOT ${hasGroup}`,
  "UPDATE samples SET group_id = coalesce((SELECT v.group_id FROM variants v WHERE v.id = samples.variant), 0)",
  "UPDATE crashes SET group_id = coalesce((SELECT v.group_id FROM variants v WHERE v.id = crashes.variant), 0)",
  `DELETE FROM samples WHERE NOT ${hasGroup}`,
  `DELETE FROM crashes WHERE NOT ${hasGroup}`,
  // of several that became one, the newest is the newest
  `UPDATE samples SET last = 0 WHERE last = 1 AND EXISTS (
     SELECT 1 FROM samples newer WHERE newer.group_id = samples.group_id AND newer.position > samples.position)`,
];
