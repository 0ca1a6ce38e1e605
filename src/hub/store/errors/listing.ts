/** Lists of groups, and what their counts come to. */
import { type ExpressionBuilder, type SelectQueryBuilder, sql } from "kysely";

import type { Breakdown, GroupRow, Tally } from "#src/protocol/error-rows.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Opened } from "../database.ts";
import type { ErrorStore } from "./port.ts";
import { groupColumns } from "./rows.ts";
import type { ErrorTables } from "./tables.ts";

const placeColumns = { last: "last_ms", first: "first_ms", count: "count" } as const;

type Rows<O> = SelectQueryBuilder<ErrorTables, "groups", O>;

export function createListing({ database, queries }: Opened<ErrorTables>): Pick<ErrorStore, "list" | "breakdowns"> {
  const tallies = database.prepare<
    { group: number; hour: number; server: string; source: string; release: string; count: number; lastMs: number },
    [string]
  >(
    'SELECT v.group_id AS "group", c.hour, s.name AS server, o.name AS source, r.name AS release, sum(c.count) AS count, max(c.last_ms) AS lastMs FROM variants v CROSS JOIN counts c ON c.variant = v.id JOIN names s ON s.id = c.server JOIN names o ON o.id = c.source JOIN names r ON r.id = c.release WHERE v.group_id IN (SELECT value FROM json_each(?)) GROUP BY v.group_id, c.hour, c.server, c.source, c.release',
  );
  const crashes = database.prepare<{ group: number; count: number }, [string]>(
    'SELECT group_id AS "group", count(*) AS count FROM crashes WHERE group_id IN (SELECT value FROM json_each(?)) GROUP BY group_id',
  );

  return {
    list(query) {
      const place = placeColumns[query.sort];
      let rows: Rows<GroupRow> = queries
        .selectFrom("groups")
        .select(sql.raw<GroupRow>(groupColumns) as never)
        .where("project", "in", sql`(SELECT value FROM json_each(${JSON.stringify(query.projects)}))` as never)
        .where("kind", "in", query.kinds)
        .orderBy(place, "desc")
        .orderBy("id", "desc")
        .limit(query.limit + 1) as never;
      if (query.state !== null) rows = rows.where("state", "=", query.state);
      if (query.sinceMs !== null) rows = rows.where("last_ms", ">=", query.sinceMs);
      if (query.text !== null) rows = rows.where(holds(query.text));
      for (const column of ["source", "server", "release"] as const) {
        const name = query[column];
        if (name !== null) rows = rows.where(cameFrom(column, name));
      }
      if (query.cursor !== null) {
        const [value, id] = readPlace(query.cursor);
        rows = rows.where((where) => where(where.refTuple(place, "id"), "<", where.tuple(value, id)));
      }
      const compiled = rows.compile();
      const all = database.prepare<GroupRow, never[]>(compiled.sql).all(...(compiled.parameters as never[]));
      const groups = all.slice(0, query.limit);
      const last = groups.at(-1);
      const more = all.length > query.limit && last !== undefined;
      return { groups, cursor: more ? `${last[fieldOf[query.sort]]}.${last.id}` : null };
    },
    breakdowns(groups) {
      const ids = JSON.stringify(groups);
      const crashed = new Map(crashes.all(ids).map(({ group, count }) => [group, count]));
      const rows = Map.groupBy(tallies.all(ids), ({ group }) => group);
      return new Map(
        groups.map((group): [number, Breakdown] => {
          const own = rows.get(group) ?? [];
          return [
            group,
            {
              sources: tally(own, ({ source }) => source),
              servers: tally(own, ({ server }) => server),
              releases: tally(own, ({ release }) => release),
              hours: hoursOf(own),
              crashes: crashed.get(group) ?? 0,
            },
          ];
        }),
      );
    },
  };
}

const fieldOf = { last: "lastMs", first: "firstMs", count: "count" } as const;

/** Case is ignored for ASCII letters, as LIKE does it (sqlite.org/lang_expr.html#like). */
function holds(text: string) {
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  return (where: ExpressionBuilder<ErrorTables, "groups">) =>
    where.or(
      (["type", "value", "culprit", "fingerprint"] as const).map(
        (column) => sql<boolean>`${sql.ref(column)} LIKE ${pattern} ESCAPE '\\'`,
      ),
    );
}

function cameFrom(column: "source" | "server" | "release", name: string) {
  return (where: ExpressionBuilder<ErrorTables, "groups">) =>
    where.exists(
      where
        .selectFrom("variants")
        .innerJoin("counts", "counts.variant", "variants.id")
        .innerJoin("names", "names.id", `counts.${column}`)
        .select("names.id")
        .whereRef("variants.group_id", "=", "groups.id")
        .where("names.name", "=", name),
    );
}

function readPlace(cursor: string): readonly [number, number] {
  const match = /^(\d{1,16})\.(\d{1,16})$/.exec(cursor);
  if (match === null) throw new Fault("invalid", "cursor is not one that this hub gave out");
  return [Number(match[1]), Number(match[2])];
}

type Counted = { readonly count: number; readonly lastMs: number };

/** Sums by name, most first; "" stands for nothing that was told, and is left out. */
function tally<R extends Counted>(rows: readonly R[], nameOf: (row: R) => string): readonly Tally[] {
  const sums = new Map<string, Tally>();
  for (const row of rows) {
    const name = nameOf(row);
    if (name === "") continue;
    const sum = sums.get(name);
    const lastMs = Math.max(sum?.lastMs ?? 0, row.lastMs);
    sums.set(name, { name, count: (sum?.count ?? 0) + row.count, lastMs });
  }
  return [...sums.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
}

function hoursOf(rows: readonly { readonly hour: number; readonly count: number }[]): Breakdown["hours"] {
  const sums = new Map<number, number>();
  for (const { hour, count } of rows) if (hour > 0) sums.set(hour, (sums.get(hour) ?? 0) + count);
  return [...sums].map(([hour, count]) => ({ hour, count })).sort((a, b) => a.hour - b.hour);
}
