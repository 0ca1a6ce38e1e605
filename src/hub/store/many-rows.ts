/**
 * Statements for many rows at once, where each statement is a way to a server and back. They are made for a few numbers of
 * rows, so that a database has few to prepare.
 */
import type { Compilable } from "kysely";

import { type Call, type Statement, type Values, statement } from "./statement.ts";

/** Rows of one statement, the most first. */
const sizes = [64, 8, 1] as const;

/**
 * @param names of the values of a row
 * @param build makes the statement for these rows, whose values are filled in when it runs
 * @returns the calls for any number of rows, in their order
 */
export function manyRows<Row extends Values>(
  names: readonly (keyof Row & string)[],
  build: (rows: readonly Row[]) => Compilable,
): (rows: readonly Row[]) => readonly Call[] {
  const made = new Map<number, Statement<Values, unknown>>();

  function statementFor(size: number): Statement<Values, unknown> {
    const known = made.get(size);
    if (known !== undefined) return known;
    const places = Array.from({ length: size }, (_, at) => at);
    const one = statement<Values>((value) =>
      build(places.map((at) => Object.fromEntries(names.map((name) => [name, value(`${name}${at}`)])) as Row)),
    );
    made.set(size, one);
    return one;
  }

  return (rows) => {
    const calls: Call[] = [];
    let done = 0;
    for (const size of sizes) {
      for (; rows.length - done >= size; done += size) {
        const values: Record<string, unknown> = {};
        for (let at = 0; at < size; at++) {
          for (const name of names) values[`${name}${at}`] = rows[done + at]?.[name];
        }
        calls.push(statementFor(size).with(values));
      }
    }
    return calls;
  };
}
