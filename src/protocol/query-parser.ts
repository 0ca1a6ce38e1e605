/**
 * Text to query (docs/search.md). `OR` binds least, then words side by side (or `AND`), then `NOT` and `-`; parentheses
 * group.
 */
import { QueryError, type QueryProblem, type Token, readTokens } from "./query-lexer.ts";
import type { Query } from "./query.ts";

export type { QueryProblem } from "./query-lexer.ts";
export type ParsedQuery =
  { readonly query: Query; readonly problem?: never } | ({ readonly query?: never } & QueryProblem);

/** Longest query, in characters. */
export const maxQueryLength = 1000;
/** Parentheses and negations inside one another: more is no query that anybody wrote. */
const maxDepth = 50;

/** Reads a query; what is wrong with it comes with its place. Never throws. */
export function parseQuery(text: string): ParsedQuery {
  if (text.length > maxQueryLength) {
    return { problem: `a query has at most ${maxQueryLength} characters`, from: maxQueryLength, to: text.length };
  }
  try {
    return { query: readAll(readTokens(text), text.length) };
  } catch (error) {
    if (error instanceof QueryError) return { problem: error.message, from: error.from, to: error.to };
    throw error;
  }
}

/** One line about what is wrong: `column 7: …`, counted from 1. */
export function describeProblem({ problem, from }: QueryProblem): string {
  return `column ${from + 1}: ${problem}`;
}

function readAll(tokens: readonly Token[], length: number): Query {
  let next = 0;

  const isMark = (mark: string): boolean => {
    const token = tokens[next];
    return token?.kind === "mark" && token.mark === mark;
  };

  function either(depth: number): Query {
    const parts = [all(depth)];
    while (isMark("or")) {
      next++;
      parts.push(all(depth));
    }
    return join("or", parts);
  }

  function all(depth: number): Query {
    const parts = [one(depth)];
    while (next < tokens.length && !isMark("or") && !isMark(")")) {
      if (isMark("and")) next++;
      parts.push(one(depth));
    }
    return join("and", parts);
  }

  function one(depth: number): Query {
    const token = tokens[next];
    if (token === undefined) {
      const before = tokens.at(-1);
      throw new QueryError(`something is missing after ${nameOf(before)}`, before?.from ?? 0, before?.to ?? length);
    }
    if (depth > maxDepth)
      throw new QueryError(`more than ${maxDepth} parentheses inside one another`, token.from, token.to);
    next++;
    if (token.kind === "term") return token.term;
    if (token.mark === "not") return { kind: "not", part: one(depth + 1) };
    if (token.mark !== "(") {
      throw new QueryError(
        `${nameOf(token)} stands where a word is needed; in quotes it is text`,
        token.from,
        token.to,
      );
    }
    const inner = either(depth + 1);
    if (!isMark(")")) throw new QueryError("the parenthesis is not closed", token.from, token.to);
    next++;
    return inner;
  }

  if (tokens.length === 0) return { kind: "all" };
  const query = either(0);
  const left = tokens[next];
  if (left !== undefined) throw new QueryError("this parenthesis closes nothing", left.from, left.to);
  return query;
}

function nameOf(token: Token | undefined): string {
  return token?.kind === "mark" ? token.mark.toUpperCase() : "this";
}

/** Several parts as one; the same kind inside is laid open, so that `a b c` is one list. */
function join(kind: "and" | "or", parts: readonly Query[]): Query {
  const flat = parts.flatMap((part) => (part.kind === kind ? part.parts : [part]));
  const [only] = flat;
  return flat.length === 1 && only !== undefined ? only : { kind, parts: flat };
}
