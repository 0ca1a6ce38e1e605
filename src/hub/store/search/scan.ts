/**
 * Finds the lines of an opened piece that a query asks for: whole columns of bytes at a time where that is enough, line
 * by line where it is not. Gives what `matcherOf` (protocol/query-match.ts) gives for each entry.
 */
import { isAscii } from "node:buffer";

import { levels, streams } from "#src/protocol/log.ts";
import {
  columnOf,
  containerNames,
  fieldPath,
  regexTest,
  textTest,
  valueTest,
  valuesAt,
} from "#src/protocol/query-match.ts";
import { parseRegex, staysInLine } from "#src/protocol/query-regex.ts";
import type { FieldTest, Query } from "#src/protocol/query.ts";
import type { Columns } from "../blocks/reader-port.ts";
import { type Lines, type Sieve, keep, keepGood, none, union, without } from "./lines.ts";
import { type Need, needOf, needOfRegex } from "./literals.ts";
import { fewOf, latin1Sieve, lineSieve, textSieve } from "./scan-text.ts";

type Step = {
  /** what it costs a line, roughly, so that the cheap ones come first */
  readonly cost: 0 | 1 | 2 | 3;
  readonly sieve: Sieve;
};

/** Makes the sieve of a query. */
export function sieveOf(query: Query): Sieve {
  return stepOf(query).sieve;
}

function stepOf(query: Query): Step {
  switch (query.kind) {
    case "all":
      return { cost: 0, sieve: (_, lines) => lines };
    case "text":
      return { cost: 1, sieve: textSieve(query.text, query.caseSensitive) };
    case "regex":
      return { cost: 2, sieve: regexSieve(query.source, query.flags) };
    case "field":
      return fieldStep(query.path, query.test);
    case "not": {
      const { cost, sieve } = stepOf(query.part);
      return { cost, sieve: (columns, lines) => without(lines, sieve(columns, lines)) };
    }
    case "and": {
      const steps = query.parts.map(stepOf).toSorted((a, b) => a.cost - b.cost);
      return {
        cost: steps.at(-1)?.cost ?? 0,
        sieve(columns, lines) {
          let left = lines;
          for (const { sieve } of steps) {
            if (left.length === 0) return left;
            left = sieve(columns, left);
          }
          return left;
        },
      };
    }
    case "or": {
      const steps = query.parts.map(stepOf).toSorted((a, b) => a.cost - b.cost);
      return {
        cost: steps.at(-1)?.cost ?? 0,
        sieve(columns, lines) {
          let found = none;
          let left = lines;
          for (const { sieve } of steps) {
            if (left.length === 0) break;
            const more = sieve(columns, left);
            found = union(found, more);
            left = without(left, more);
          }
          return found;
        },
      };
    }
  }
}

/** Lines that match an expression; those first that hold what every match holds. */
function regexSieve(source: string, flags: string): Sieve {
  const byLine = lineSieve(regexTest(source, flags));
  const holds = needSieve(needOfRegex(source, flags));
  if (holds !== null) return (columns, lines) => byLine(columns, holds(columns, lines));
  const { node } = parseRegex(source, flags);
  if (node === undefined || !staysInLine(node)) return byLine;
  // all lines at once is faster; ^ and $ mean a line's, which is no less than what they mean in one alone
  const everywhere = latin1Sieve(source, [...new Set(`${flags}m`)].join(""));
  return (columns, lines) => {
    const all = lines.length * fewOf >= columns.count && isAscii(columns.text);
    return byLine(columns, all ? everywhere(columns, lines) : lines);
  };
}

/** Lines that hold what is needed, as a sieve. */
function needSieve(need: Need): Sieve | null {
  if (need === null) return null;
  const query = queryOfNeed(need);
  return query === null ? null : sieveOf(query);
}

function queryOfNeed(need: Need): Query | null {
  if (need === null) return null;
  if (need.kind === "literal") return { kind: "text", text: need.text, caseSensitive: false };
  const parts = need.parts.map(queryOfNeed).filter((part) => part !== null);
  if (parts.length < need.parts.length) return null;
  return { kind: need.kind === "all" ? "and" : "or", parts };
}

function fieldStep(path: string, test: FieldTest): Step {
  const stands = valueTest(test);
  switch (columnOf(path)) {
    case "level": {
      const good = levels.map((level) => stands([level]));
      return { cost: 0, sieve: (columns, lines) => keepGood(lines, columns.levels, good) };
    }
    case "stream": {
      const good = streams.map((stream) => stands([stream]));
      return { cost: 0, sieve: (columns, lines) => keepGood(lines, columns.streams, good) };
    }
    case "server":
      return { cost: 0, sieve: (columns, lines) => (stands([columns.piece.serverId]) ? lines : none) };
    case "source":
      return { cost: 0, sieve: (columns, lines) => bySource(columns, lines, (source) => stands([source])) };
    case "message":
      return { cost: 2, sieve: messageSieve(test, stands) };
    case "container":
      return { cost: 3, sieve: fieldsSieve(path, test, (fields) => stands(containerNames(fields))) };
    case null: {
      const below = fieldPath(path);
      return { cost: 3, sieve: fieldsSieve(path, test, (fields) => stands(valuesAt(fields, below))) };
    }
  }
}

/** Lines of the sources that stand a test. */
export function bySource(columns: Columns, lines: Lines, test: (source: string) => boolean): Lines {
  const good = columns.sources.map(test);
  const index = columns.sourceIndex;
  if (index === null) return good[0] === true ? lines : none;
  return keepGood(lines, index, good);
}

function messageSieve(test: FieldTest, stands: (values: readonly unknown[]) => boolean): Sieve {
  const holds = needSieve(needOf({ kind: "field", path: "message", test }));
  const byLine = lineSieve((message) => stands([message]));
  return holds === null ? byLine : (columns, lines) => byLine(columns, holds(columns, lines));
}

/** Lines whose fields stand a test; only those are parsed whose text holds what it must. */
function fieldsSieve(
  path: string,
  test: FieldTest,
  stands: (fields: Readonly<Record<string, unknown>>) => boolean,
): Sieve {
  const need = queryOfNeed(needOf({ kind: "field", path, test }));
  const mayStand = need === null ? () => true : textOf(need);
  return (columns, lines) =>
    keep(lines, (line) => {
      const text = columns.fieldsText(line);
      return text !== "" && mayStand(text) && stands(JSON.parse(text) as Readonly<Record<string, unknown>>);
    });
}

/** The test of a query that is made of texts. */
function textOf(query: Query): (text: string) => boolean {
  if (query.kind === "text") return textTest(query.text, query.caseSensitive);
  if (query.kind !== "and" && query.kind !== "or") return () => true;
  const tests = query.parts.map(textOf);
  return query.kind === "and"
    ? (text) => tests.every((test) => test(text))
    : (text) => tests.some((test) => test(text));
}
