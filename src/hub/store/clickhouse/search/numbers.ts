/**
 * Numbers, addresses and ids, as a filter that ClickHouse keeps of every few thousand lines: of n-grams all short
 * combinations of digits occur everywhere, so that these are kept as pieces of their own. Every piece that is asked for
 * follows from the text that is looked for, whatever stands around it in a line; that is what makes the filter right for
 * any part of a line.
 *
 * - Chains of four numbers, such as IP addresses: the middle two with the digits that touch them, `0.20.30.4` of
 *   `10.20.30.40`. Of longer chains there is only a mark that one is there.
 * - Runs of hexadecimal digits (ids, UUIDs, hashes): five at a time, from the beginning of the run.
 */
import { type Sql, and, or, quote, yes } from "./sql.ts";

const size = 5;
/** Pieces of a run that are asked for; more only cost time. */
const mostPieces = 3;
/** What stands for a chain of more than four numbers. */
const mark = ".";

/** The pieces of a column, as ClickHouse makes them: part of the table's definition, and of every question. */
export function piecesOf(name: string): Sql {
  const chains = `extractAll(${name}, ${quote("[0-9](?:\\.[0-9]+){2,}\\.[0-9]")})`;
  const marked = `arrayMap(chain -> if(countSubstrings(chain, '.') > 3, ${quote(mark)}, chain), ${chains})`;
  return `arrayConcat(${marked}, extractAll(lower(${name}), ${quote(`[0-9a-f]{${size}}`)}))`;
}

/** A condition that every text fulfils that holds a literal (in lower case, case ignored within ASCII). */
export function numbersIn(name: string, literal: string): Sql {
  const has = (piece: string): Sql => `has(${piecesOf(name)}, ${quote(piece)})`;
  const found: Sql[] = [];
  for (const [chain] of literal.matchAll(/[0-9]+(?:\.[0-9]+){3,}/g)) {
    const numbers = chain.split(".");
    const [first = "", second = "", third = "", fourth = ""] = numbers;
    const middle = `${first.slice(-1)}.${second}.${third}.${fourth.charAt(0)}`;
    // what is a chain of four here may be part of a longer one there
    found.push(numbers.length > 4 ? has(mark) : or(has(middle), has(mark)));
  }
  for (const { 0: run, index } of literal.matchAll(/[0-9a-f]{5,}/g)) {
    // a run that begins with the literal may have begun before it
    const begins = index > 0 ? [0] : Array.from({ length: size }, (_, i) => i);
    found.push(or(...begins.map((begin) => and(...pieces(run, begin).map(has)))));
  }
  return found.length === 0 ? yes : and(...found);
}

/** The whole pieces of a run when one begins at `begin`. */
function pieces(run: string, begin: number): string[] {
  const all: string[] = [];
  for (let at = begin; at + size <= run.length && all.length < mostPieces; at += size)
    all.push(run.slice(at, at + size));
  return all;
}
