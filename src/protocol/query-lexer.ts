/** The words of the query language (docs/search.md): each term with what it means, and where it stands. */
import { type Level, levels } from "./level.ts";
import { parseRegex } from "./query-regex.ts";
import type { FieldTest, Query } from "./query.ts";

/** What is wrong with a query, and where: offsets in UTF-16 units, the end not included. */
export type QueryProblem = { readonly problem: string; readonly from: number; readonly to: number };

export class QueryError extends Error {
  readonly from: number;
  readonly to: number;

  constructor(problem: string, from: number, to: number) {
    super(problem);
    this.name = "QueryError";
    this.from = from;
    this.to = to;
  }
}

type Mark = "(" | ")" | "or" | "and" | "not";
export type Token = (
  { readonly kind: "mark"; readonly mark: Mark } | { readonly kind: "term"; readonly term: Query }
) & { readonly from: number; readonly to: number };

const words: ReadonlyMap<string, Mark> = new Map([
  ["OR", "or"],
  ["AND", "and"],
  ["NOT", "not"],
]);

const space = /\s/u;
/** A field's name; slashes, dots and dashes may stand inside it. */
const name = /[\p{L}_@$](?:[\p{L}\p{N}_@$./-]*[\p{L}\p{N}_@$])?/uy;
/** Where an expression ends: at a slash that is neither escaped nor in a class, its flags, and the end of the word. */
const expression = /\/((?:[^\\/[]|\\.|\[(?:[^\]\\]|\\.)*\])+)\/([imsu]*)(?=\s|\)|$)/suy;
const comparison = /<=|>=|<|>/y;
const bare = /[^\s()"]+/uy;
const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Splits a query into its words. @throws {QueryError} */
export function readTokens(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const first = text.charAt(at);
    if (space.test(first)) at++;
    else if (first === "(" || first === ")") {
      tokens.push({ kind: "mark", mark: first, from: at, to: ++at });
    } else if (first === "-" && negates(text, at)) {
      tokens.push({ kind: "mark", mark: "not", from: at, to: ++at });
    } else {
      const token = readTerm(text, at);
      tokens.push(token);
      at = token.to;
    }
  }
  return tokens;
}

/** A dash before something means its absence; alone, or before another dash or an arrow's head, it is text. */
function negates(text: string, at: number): boolean {
  const next = text.charAt(at + 1);
  return next !== "" && !space.test(next) && next !== ")" && next !== "-" && next !== ">";
}

function readTerm(text: string, from: number): Token {
  const quoted = readQuoted(text, from);
  if (quoted !== undefined) {
    return { kind: "term", term: textTerm(quoted.text, quoted.exact), from, to: quoted.to };
  }
  const found = readExpression(text, from);
  if (found !== undefined) {
    return { kind: "term", term: { kind: "regex", source: found.source, flags: found.flags }, from, to: found.to };
  }
  const field = readField(text, from);
  if (field !== undefined) return { kind: "term", ...field, from };
  const word = take(bare, text, from);
  const mark = words.get(word);
  const to = from + word.length;
  if (mark !== undefined) return { kind: "mark", mark, from, to };
  return { kind: "term", term: word === "*" ? { kind: "all" } : textTerm(word, false), from, to };
}

function textTerm(text: string, exact: boolean): Query {
  return text === "" ? { kind: "all" } : { kind: "text", text, caseSensitive: exact };
}

/** `fields."any name"` or a plain one, then a test of it; undefined: it is no field, but text. */
function readField(text: string, from: number): { term: Query; to: number } | undefined {
  let path: string;
  let at: number;
  if (text.startsWith('fields."', from)) {
    const quoted = readQuoted(text, from + 7);
    if (quoted === undefined) return undefined;
    path = `fields.${quoted.text}`;
    at = quoted.to;
  } else {
    path = take(name, text, from);
    if (path === "") return undefined;
    at = from + path.length;
  }
  if (text.charAt(at) === ":") {
    const value = readValue(text, at + 1, path, from);
    return value === undefined ? undefined : { term: { kind: "field", path, test: value.test }, to: value.to };
  }
  const operator = take(comparison, text, at) as "" | "<" | "<=" | ">" | ">=";
  if (operator === "") return undefined;
  const start = at + operator.length;
  const value = take(bare, text, start);
  const to = start + value.length;
  if (path.toLowerCase() === "level") {
    return {
      term: { kind: "field", path: "level", test: { kind: "compare", operator, number: rankOf(value, from, to) } },
      to,
    };
  }
  if (!number.test(value) || !Number.isFinite(Number(value))) {
    const hint = `write ${path}${operator}100, or put it in quotes to search for the text`;
    throw new QueryError(`after ${operator} a number is needed: ${hint}`, value === "" ? from : start, to);
  }
  return { term: { kind: "field", path, test: { kind: "compare", operator, number: Number(value) } }, to };
}

/** What stands after a name's colon; undefined when the colon is part of a text: `http://…`, `std::string`, `Error: …`. */
function readValue(
  text: string,
  from: number,
  path: string,
  start: number,
): { test: FieldTest; to: number } | undefined {
  const next = text.charAt(from);
  if (next === "" || next === ":" || next === ")" || space.test(next) || text.startsWith("//", from)) return undefined;
  if (next === "(") throw new QueryError("a field takes one value: write a:1 OR a:2", from, from + 1);
  const quoted = readQuoted(text, from);
  if (quoted !== undefined) return { test: isTest(path, quoted.text, start, quoted.to), to: quoted.to };
  const found = readExpression(text, from);
  if (found !== undefined) return { test: { kind: "regex", source: found.source, flags: found.flags }, to: found.to };
  const operator = take(comparison, text, from) as "" | "<" | "<=" | ">" | ">=";
  if (operator !== "") throw new QueryError(`write ${path}${operator}… without the colon`, from - 1, from);
  const word = take(bare, text, from);
  const to = from + word.length;
  if (word === "*") return { test: { kind: "exists" }, to };
  if (!word.includes("*")) return { test: isTest(path, word, start, to), to };
  return { test: { kind: "like", pieces: word.split("*") }, to };
}

function isTest(path: string, text: string, from: number, to: number): FieldTest {
  if (path.toLowerCase() === "level") rankOf(text, from, to);
  return { kind: "is", text };
}

function rankOf(text: string, from: number, to: number): number {
  const rank = levels.indexOf(text.toLowerCase() as Level);
  if (rank < 0) throw new QueryError(`a level is one of ${levels.join(", ")}`, from, to);
  return rank;
}

const escapes: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["t", "\t"],
  ["r", "\r"],
  ["\\", "\\"],
  ['"', '"'],
  ["'", "'"],
]);

/** A phrase in quotes; in single ones with its case. An apostrophe that nothing closes is text. */
function readQuoted(text: string, from: number): { text: string; exact: boolean; to: number } | undefined {
  const quote = text.charAt(from);
  if (quote !== '"' && quote !== "'") return undefined;
  let found = "";
  for (let at = from + 1; at < text.length; at++) {
    const next = text.charAt(at);
    if (next === quote) {
      const end = text.charAt(at + 1);
      if (quote === "'" && end !== "" && end !== ")" && !space.test(end)) return undefined;
      return { text: found, exact: quote === "'", to: at + 1 };
    }
    const escaped = next === "\\" ? escapes.get(text.charAt(at + 1)) : undefined;
    if (escaped !== undefined) at++;
    found += escaped ?? next;
  }
  if (quote === "'") return undefined;
  throw new QueryError("the quote is not closed", from, text.length);
}

/** Whether the text is what a quoted phrase or an expression can begin with. */
function readExpression(text: string, from: number): { source: string; flags: string; to: number } | undefined {
  if (text.charAt(from) !== "/") return undefined;
  expression.lastIndex = from;
  const match = expression.exec(text);
  if (match === null) return undefined;
  const [whole, source = "", letters = ""] = match;
  const to = from + whole.length;
  const flags = [...new Set(letters)].sort().join("");
  const problem = parseRegex(source, flags).problem;
  if (problem !== undefined) throw new QueryError(problem, from, to);
  return { source, flags, to };
}

function take(pattern: RegExp, text: string, from: number): string {
  pattern.lastIndex = from;
  return pattern.exec(text)?.[0] ?? "";
}
