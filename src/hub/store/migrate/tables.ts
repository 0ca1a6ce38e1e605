/**
 * Tables copied row by row between two databases of either kind. Two ways: `copyAll` puts the whole of some tables in the
 * place of what the target has, in one transaction; `copyNew` brings over what has come since, for tables whose rows are
 * numbered and never changed, so that most of it is there before the hub is stopped.
 */
import { type Kysely, type Transaction, sql } from "kysely";

import { type Column, type Kind, type Row, hashRow, kindOf, toPostgres, toSqlite } from "./values.ts";
import { type Sum, type Sums, addSum } from "./sums.ts";

type AnyTables = Record<string, Record<string, unknown>>;
/** A query builder over tables that are known by name only. */
export type AnyQueries = Kysely<AnyTables>;

export type Side = {
  readonly queries: AnyQueries;
  readonly engine: "sqlite" | "postgres";
  /** the schema that its tables are in; null: the connection's own */
  readonly schema?: string;
};

/** A table with what its rows are told apart by. */
export type Table = { readonly name: string; readonly key: string };
export type CopiedTable = Table & { readonly columns: readonly Column[] };

/** Rows read and written at once; and parameters of a statement (SQLite takes 32,766, Postgres 65,535). */
const pageRows = 500;
const mostParameters = 30_000;

/** Columns of a table by name, and what Postgres says that they hold; empty: there is no such table. */
export async function columnsOf({ queries, engine, schema }: Side, table: string): Promise<readonly Column[]> {
  if (engine === "sqlite") {
    const { rows } = await sql<{ name: string }>`SELECT name FROM pragma_table_info(${table})`.execute(queries);
    return rows.map(({ name }) => ({ name, kind: "other" }));
  }
  const within = schema === undefined ? sql`current_schema()` : sql`${schema}`;
  const { rows } = await sql<{ name: string; type: string }>`
    SELECT column_name AS name, data_type AS type FROM information_schema.columns
    WHERE table_schema = ${within} AND table_name = ${table} ORDER BY ordinal_position
  `.execute(queries);
  return rows.map(({ name, type }) => ({ name, kind: kindOf(type) }));
}

/** Names of all tables of a side. */
export async function tablesOf({ queries, engine, schema }: Side): Promise<readonly string[]> {
  if (engine === "sqlite") {
    const { rows } = await sql<{ name: string }>`
      SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name
    `.execute(queries);
    return rows.map(({ name }) => name);
  }
  const within = schema === undefined ? sql`current_schema()` : sql`${schema}`;
  const { rows } = await sql<{ name: string }>`
    SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = ${within} AND table_type = 'BASE TABLE' ORDER BY table_name
  `.execute(queries);
  return rows.map(({ name }) => name);
}

/** Rows by their key, some at a time. */
export async function* pagesOf(
  { queries }: Pick<Side, "queries">,
  { name, key, columns }: CopiedTable,
  after: unknown = null,
): AsyncGenerator<readonly Row[]> {
  const names = columns.map((column) => column.name);
  for (let last = after; ;) {
    let query = queries.selectFrom(name).select(names).orderBy(key).limit(pageRows);
    if (last !== null) query = query.where(key, ">", last);
    const rows = await query.execute();
    if (rows.length > 0) yield rows;
    if (rows.length < pageRows) return;
    last = rows.at(-1)?.[key];
  }
}

export async function addRows(to: Side, { name, columns }: CopiedTable, rows: readonly Row[]): Promise<void> {
  const write = to.engine === "postgres" ? toPostgres : toSqlite;
  const most = Math.max(1, Math.min(pageRows, Math.floor(mostParameters / columns.length)));
  for (let from = 0; from < rows.length; from += most) {
    const values = rows
      .slice(from, from + most)
      .map((row) => Object.fromEntries(columns.map((column) => [column.name, write(column.kind, row[column.name])])));
    await to.queries.insertInto(name).values(values).execute();
  }
}

/**
 * Puts these tables in the place of what the target has; they come in an order in which a row's parents are there before
 * it. @returns the sum of each
 */
export async function copyAll(
  from: Side,
  to: Side,
  tables: readonly CopiedTable[],
  copied: (rows: number) => void,
): Promise<Sums> {
  return await to.queries.transaction().execute(async (transaction: Transaction<AnyTables>) => {
    const within = { ...to, queries: transaction };
    const sums: Sums = new Map();
    for (const { name } of tables.toReversed()) await transaction.deleteFrom(name).execute();
    for (const table of tables) {
      addSum(sums, table.name, 0, 0n);
      for await (const rows of pagesOf(from, table)) {
        await addRows(within, table, rows);
        for (const row of rows) addSum(sums, table.name, 1, hashRow(table.columns, row));
        copied(rows.length);
      }
    }
    return sums;
  });
}

/** Brings over what has a greater number than anything that the target has. A kill costs the page that was on its way. */
export async function copyNew(from: Side, to: Side, table: CopiedTable, copied: (rows: number) => void): Promise<void> {
  for await (const rows of pagesOf(from, table, await newestKey(to, table))) {
    await to.queries.transaction().execute(async (queries) => await addRows({ ...to, queries }, table, rows));
    copied(rows.length);
  }
}

/** The greatest number in a table; 0: it is empty. */
export async function newestKey({ queries }: Side, { name, key }: Table): Promise<number> {
  const { rows } = await sql<{ newest: number | string | null }>`
    SELECT max(${sql.ref(key)}) AS newest FROM ${sql.table(name)}
  `.execute(queries);
  return Number(rows[0]?.newest ?? 0);
}

/** Deletes what the source has let go since it was copied: what was too old, and what belonged to a server that is gone. */
export async function dropGone(from: Side, to: Side, table: CopiedTable): Promise<void> {
  const keyOnly = { ...table, columns: [{ name: table.key, kind: "number" as Kind }] };
  const there = pagesOf(from, keyOnly);
  let page: readonly Row[] = [];
  let at = 0;
  /** The source's next number that is not below `number`. */
  async function nextFrom(number: number): Promise<number> {
    for (;;) {
      for (; at < page.length; at++) {
        const found = Number(page[at]?.[table.key]);
        if (found >= number) return found;
      }
      const next = await there.next();
      if (next.done === true) return Infinity;
      [page, at] = [next.value, 0];
    }
  }
  for await (const rows of pagesOf(to, keyOnly)) {
    const gone: number[] = [];
    for (const row of rows) {
      const number = Number(row[table.key]);
      if ((await nextFrom(number)) !== number) gone.push(number);
    }
    if (gone.length > 0) await to.queries.deleteFrom(table.name).where(table.key, "in", gone).execute();
  }
  await there.return(undefined);
}

/** The sum of a table as it is now. */
export async function sumTable(side: Side, table: CopiedTable): Promise<Sum> {
  const sums: Sums = new Map([[table.name, { count: 0, sum: 0n }]]);
  for await (const rows of pagesOf(side, table)) {
    for (const row of rows) addSum(sums, table.name, 1, hashRow(table.columns, row));
  }
  return sums.get(table.name) ?? { count: 0, sum: 0n };
}
