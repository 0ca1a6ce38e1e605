/** `auth.db`: people, organizations, sessions. The sign-in library makes the tables on either side; rows are copied whole. */
import { sql } from "kysely";

import { type Side, type Table, columnsOf, copyAll, sumTable, tablesOf } from "./tables.ts";
import { withColumns } from "./state.ts";
import type { Sums } from "./sums.ts";

const key = "id";

/** Tables of sign-in, what others refer to before those. `sqlite`: the side that says what refers to what. */
async function peopleTables(sqlite: Side): Promise<readonly Table[]> {
  const names: string[] = [];
  for (const name of await tablesOf(sqlite)) {
    const columns = await columnsOf(sqlite, name);
    if (columns.some((column) => column.name === key)) names.push(name);
  }
  const parents = new Map<string, readonly string[]>();
  for (const name of names) {
    const { rows } = await sql<{ parent: string }>`
      SELECT "table" AS parent FROM pragma_foreign_key_list(${name})
    `.execute(sqlite.queries);
    parents.set(
      name,
      rows.map(({ parent }) => parent).filter((parent) => parent !== name),
    );
  }
  const ordered: string[] = [];
  const visit = (name: string): void => {
    if (ordered.includes(name)) return;
    for (const parent of parents.get(name) ?? []) visit(parent);
    ordered.push(name);
  };
  for (const name of names) visit(name);
  return ordered.map((name) => ({ name, key }));
}

/** @returns what the source has, and what was read back, by table */
export async function copyPeople(from: Side, to: Side, copied: (rows: number) => void) {
  const tables = await withColumns(from, to, await peopleTables(from.engine === "sqlite" ? from : to));
  const wanted = await copyAll(from, to, tables, copied);
  const found: Sums = new Map();
  for (const table of tables) found.set(table.name, await sumTable(to, table));
  return { wanted, found };
}
