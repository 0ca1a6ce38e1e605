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
  hasCase,
  regexTest,
  textTest,
  valueTest,
  valuesAt,
} from "#src/protocol/query-match.ts";
import { parseRegex, staysInLine } from "#src/protocol/query-regex.ts";
import type { FieldTest, Query } from "#src/protocol/query.ts";
import type { Columns } from "../blocks/reader-port.ts";
import { type Lines, keep, none, union, without } from "./lines.ts";
import { type Need, needOf, needOfRegex } from "./literals.ts";

/** Takes the lines that match from those that are left. */
export type Sieve = (columns: Columns, lines: Lines) => Lines;

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

/** Lines that hold a text. */
function textSieve(text: string, caseSensitive: boolean): Sieve {
  // half of a surrogate pair is in no stored text: it became U+FFFD
  if (!text.isWellFormed()) return lineSieve(textTest(text, caseSensitive));
  if (caseSensitive || !hasCase(text)) {
    const bytes = Buffer.from(text);
    return (columns, lines) => linesHolding(columns, lines, bytes);
  }
  const test = textTest(text, false);
  // ASCII letters are equal to ASCII letters only: bytes seen as Latin-1 can be compared
  const pattern = /^[\u0000-\u007f]+$/.test(text) ? RegExp.escape(text) : anchorOf(text);
  if (pattern === null) {
    const byLine = lineSieve(test);
    return (columns, lines) => (isAscii(columns.text) ? none : byLine(columns, lines));
  }
  const candidates = latin1Sieve(pattern, "i");
  if (pattern === RegExp.escape(text)) return candidates;
  return (columns, lines) => (isAscii(columns.text) ? none : lineSieve(test)(columns, candidates(columns, lines)));
}

/** The longest ASCII run of a text, as a pattern; null: it has none that helps. */
function anchorOf(text: string): string | null {
  const [longest = ""] = text.split(/[^\u0000-\u007f]+/).toSorted((a, b) => b.length - a.length);
  return longest.length < 2 ? null : RegExp.escape(longest);
}

/** Below this share of lines left, each is looked at alone. */
const fewOf = 16;

/** Lines that hold these bytes. */
function linesHolding(columns: Columns, lines: Lines, bytes: Buffer): Lines {
  if (lines.length * fewOf < columns.count) {
    const { text, offsets } = columns;
    return keep(lines, (line) => {
      const at = text.subarray(offsets[line], (offsets[line + 1] ?? 1) - 1).indexOf(bytes);
      return at >= 0;
    });
  }
  return collect(columns, lines, (from) => columns.text.indexOf(bytes, from), bytes.length);
}

/** Lines that match a pattern, when bytes are taken for Latin-1 characters. */
function latin1Sieve(pattern: string, flags: string): Sieve {
  const everywhere = new RegExp(pattern, `${flags}g`);
  const single = new RegExp(pattern, flags);
  return (columns, lines) => {
    if (lines.length * fewOf < columns.count) {
      const { text, offsets } = columns;
      return keep(lines, (line) => single.test(text.toString("latin1", offsets[line], (offsets[line + 1] ?? 1) - 1)));
    }
    const latin1 = latin1Of(columns);
    let length = 0;
    const next = (from: number): number => {
      everywhere.lastIndex = from;
      const match = everywhere.exec(latin1);
      length = match?.[0].length ?? 0;
      return match === null ? -1 : match.index;
    };
    return collect(columns, lines, next, () => length);
  };
}

// the text of the piece that is looked at: several terms want it
let lastText: Buffer | undefined;
let lastLatin1 = "";

function latin1Of(columns: Columns): string {
  if (lastText !== columns.text) {
    lastText = columns.text;
    lastLatin1 = columns.text.toString("latin1");
  }
  return lastLatin1;
}

/** Goes from hit to hit in the whole column; a hit that reaches into the next line counts for none. */
function collect(
  { offsets, count }: Columns,
  lines: Lines,
  next: (from: number) => number,
  length: number | (() => number),
): Lines {
  const found: number[] = [];
  const last = lines.at(-1);
  if (last === undefined) return none;
  const end = offsets[last + 1] ?? 0;
  let place = 0;
  let at = next(offsets[lines[0] ?? 0] ?? 0);
  while (at >= 0 && at < end) {
    const line = lineAt(offsets, count, at);
    const lineEnd = (offsets[line + 1] ?? 0) - 1;
    const size = typeof length === "number" ? length : length();
    if (at + size > lineEnd) {
      at = next(at + 1);
      continue;
    }
    while (place < lines.length && (lines[place] ?? 0) < line) place++;
    if (lines[place] === line) found.push(line);
    // the next line that is left, so that those ruled out cost nothing
    const wanted = lines[place] === line ? lines[place + 1] : lines[place];
    if (wanted === undefined) break;
    at = next(offsets[wanted] ?? 0);
  }
  return Uint32Array.from(found);
}

function lineAt(offsets: Uint32Array, count: number, at: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((offsets[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Lines whose decoded message stands a test. */
function lineSieve(test: (message: string) => boolean): Sieve {
  return (columns, lines) => {
    if (lines.length === 0) return lines;
    if (!isAscii(columns.text)) return keep(lines, (line) => test(columns.message(line)));
    // parts of one string: nothing is copied
    const latin1 = latin1Of(columns);
    const { offsets } = columns;
    return keep(lines, (line) => test(latin1.slice(offsets[line], (offsets[line + 1] ?? 1) - 1)));
  };
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
      return { cost: 0, sieve: (columns, lines) => keep(lines, (line) => good[columns.levels[line] ?? 0] === true) };
    }
    case "stream": {
      const good = streams.map((stream) => stands([stream]));
      return { cost: 0, sieve: (columns, lines) => keep(lines, (line) => good[columns.streams[line] ?? 0] === true) };
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
  return keep(lines, (line) => good[index[line] ?? 0] === true);
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
