/**
 * Statements that are made with Kysely's builder once and run many times, and work that is made of them. Work is written as
 * a generator that hands out calls and is given their answers, so that the same lines run within a synchronous transaction
 * of SQLite and within an asynchronous one of Postgres.
 */
import { type Compilable, type RawBuilder, sql } from "kysely";

/** Where a value goes that is known only when the statement runs. */
class Place {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export type Values = Readonly<Record<string, unknown>>;

/** What was built, and the names of its values in the order of its parameters; a parameter without one is always the same. */
export type Built = {
  readonly sql: string;
  readonly parameters: readonly unknown[];
};

/** A statement with its values. `Row` is what a row of its answer looks like. */
export type Call<Row = unknown> = {
  readonly built: Built;
  readonly parameters: readonly unknown[];
  /** only for the compiler */
  readonly row?: Row;
};

export type Statement<Given extends Values, Row> = { readonly with: (this: void, values: Given) => Call<Row> };

/** Compiles what `build` makes; `value("name")` stands for the value of that name. */
export function statement<Given extends Values, Row = unknown>(
  build: (value: <Name extends keyof Given & string>(name: Name) => Given[Name]) => Compilable<Row>,
): Statement<Given, Row> {
  const built: Built = build((name) => new Place(name) as unknown as Given[typeof name]).compile();
  const names = built.parameters.map((one) => (one instanceof Place ? one.name : undefined));
  return {
    with(values) {
      const parameters: unknown[] = [];
      for (let at = 0; at < names.length; at++) {
        const name = names[at];
        parameters.push(name === undefined ? built.parameters[at] : values[name]);
      }
      return { built, parameters };
    },
  };
}

/** For the update of a row that is there already: these columns become what was to be added. */
export function asGiven<Column extends string>(...columns: readonly Column[]): Record<Column, RawBuilder<never>> {
  const values = columns.map((column) => [column, sql.ref(`excluded.${column}`)]);
  return Object.fromEntries(values) as Record<Column, RawBuilder<never>>;
}

/** A query as it is, with its values in it. */
export function callOf<Row>(query: Compilable<Row>): Call<Row> {
  const built = query.compile();
  return { built, parameters: built.parameters };
}

export type Answer = {
  readonly rows: readonly unknown[];
  /** rows that were added, changed or deleted by a statement that gives none back */
  readonly changes: number;
  /** SQLite's number of the row that was added last; null: this database has none */
  readonly lastRow: number | null;
};

/** Something to do within a transaction. It may be begun anew, so that it must change nothing but the database. */
export type Work<T> = Generator<Call, T, Answer>;

/** The rows of the answer. */
export function* rowsOf<Row>(call: Call<Row>): Work<readonly Row[]> {
  return (yield call).rows as readonly Row[];
}

/** Runs them one after the other. @returns how many rows the last one has changed */
export function* run(...calls: readonly Call[]): Work<number> {
  let changes = 0;
  for (const call of calls) ({ changes } = yield call);
  return changes;
}
