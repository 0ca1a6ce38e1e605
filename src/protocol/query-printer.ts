/** A query as text, in one form for all ways to write it: what `parseQuery` reads back to the same query. */
import { levels } from "./level.ts";
import { valueTest } from "./query-match.ts";
import { parseQuery } from "./query-parser.ts";
import type { FieldTest, Query } from "./query.ts";

export function printQuery(query: Query): string {
  return query.kind === "all" ? "" : print(query, 0);
}

/** How tightly the surroundings bind: 0 or, 1 and, 2 not. */
type Strength = 0 | 1 | 2;

function print(query: Query, around: Strength): string {
  switch (query.kind) {
    case "all":
      return "*";
    case "text":
      return printText(query.text, query.caseSensitive);
    case "regex":
      return `/${query.source}/${query.flags}`;
    case "field":
      return printField(query.path, query.test);
    case "not": {
      // two dashes in a row are text
      const part = print(query.part, 2);
      return part.startsWith("-") ? `-(${part})` : `-${part}`;
    }
    case "and":
      return wrap(query.parts.map((part) => print(part, 2)).join(" ") || "*", query.parts, 1, around);
    case "or":
      return wrap(query.parts.map((part) => print(part, 1)).join(" OR ") || "-*", query.parts, 0, around);
  }
}

function wrap(text: string, parts: readonly Query[], own: Strength, around: Strength): string {
  return parts.length > 1 && around > own ? `(${text})` : text;
}

function printText(text: string, exact: boolean): string {
  if (exact) return quote(text, "'");
  return readsAs(text, { kind: "text", text, caseSensitive: false }) ? text : quote(text, '"');
}

function printField(path: string, test: FieldTest): string {
  const name = printName(path);
  switch (test.kind) {
    case "exists":
      return `${name}:*`;
    case "compare":
      if (path === "level") return printLevels(test);
      return `${name}${test.operator}${test.number}`;
    case "regex":
      return `${name}:/${test.source}/${test.flags}`;
    case "in":
      return test.values.length === 0
        ? "-*"
        : `(${test.values.map((text) => printField(path, { kind: "is", text })).join(" OR ")})`;
    case "like": {
      const plain = `${name}:${test.pieces.join("*")}`;
      if (readsAs(plain, { kind: "field", path, test })) return plain;
      // pieces that no bare word can hold
      return `${name}:/^(?:${test.pieces.map((piece) => RegExp.escape(piece)).join(".*")})$/is`;
    }
    case "is": {
      const plain = `${name}:${test.text}`;
      if (path === "level") return printLevels(test);
      return readsAs(plain, { kind: "field", path, test }) ? plain : `${name}:${quote(test.text, '"')}`;
    }
  }
}

/** A comparison with a level, or the levels that a test lets through. */
function printLevels(test: FieldTest): string {
  const named = test.kind === "compare" ? levels[test.number] : undefined;
  if (named !== undefined && test.kind === "compare") return `level${test.operator}${named}`;
  const stands = valueTest(test);
  const good = levels.filter((level) => stands([level])).map((level) => `level:${level}`);
  return good.length === 0 ? "-*" : good.length === 1 ? good.join("") : `(${good.join(" OR ")})`;
}

function printName(path: string): string {
  const plain = readsAs(`${path}:*`, { kind: "field", path, test: { kind: "exists" } });
  return plain || !path.startsWith("fields.") ? path : `fields.${quote(path.slice("fields.".length), '"')}`;
}

function readsAs(text: string, query: Query): boolean {
  return JSON.stringify(parseQuery(text).query) === JSON.stringify(query);
}

function quote(text: string, mark: '"' | "'"): string {
  const inside = text
    .replaceAll("\\", "\\\\")
    .replaceAll(mark, `\\${mark}`)
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("\r", "\\r");
  return mark + inside + mark;
}
