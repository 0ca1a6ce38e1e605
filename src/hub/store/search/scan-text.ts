/** Lines that hold a text: in whole columns of bytes where that is enough, line by line where it is not. */
import { isAscii } from "node:buffer";

import { hasCase, textTest } from "#src/protocol/query-match.ts";
import type { Columns } from "../blocks/reader-port.ts";
import { type Lines, type Sieve, keep, none } from "./lines.ts";

/** Lines that hold a text. */
export function textSieve(text: string, caseSensitive: boolean): Sieve {
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
  const length = pattern === RegExp.escape(text) ? text.length : null;
  const candidates = withRun(caselessRun(text), latin1Sieve(pattern, "i", length));
  if (length !== null) return candidates;
  return (columns, lines) => (isAscii(columns.text) ? none : lineSieve(test)(columns, candidates(columns, lines)));
}

/** The longest run of a text without letters; null: it has none of three bytes. */
function caselessRun(text: string): Buffer | null {
  const [longest = ""] = text.split(/[^\u0000-@[-`{-\u007f]+/).toSorted((a, b) => b.length - a.length);
  return longest.length < 3 ? null : Buffer.from(longest);
}

/** Bytes are compared ten times faster than text is made of them: where the run is not, there is nothing to look for. */
function withRun(run: Buffer | null, sieve: Sieve): Sieve {
  if (run === null) return sieve;
  return (columns, lines) => (columns.text.includes(run) ? sieve(columns, lines) : none);
}

/** The longest ASCII run of a text, as a pattern; null: it has none that helps. */
function anchorOf(text: string): string | null {
  const [longest = ""] = text.split(/[^\u0000-\u007f]+/).toSorted((a, b) => b.length - a.length);
  return longest.length < 2 ? null : RegExp.escape(longest);
}

/** Below this share of lines left, each is looked at alone. */
export const fewOf = 16;

/** Lines that hold these bytes. */
function linesHolding(columns: Columns, lines: Lines, bytes: Buffer): Lines {
  if (lines.length * fewOf < columns.count) {
    const { text, offsets } = columns;
    return keep(lines, (line) => {
      const at = text.subarray(offsets[line], (offsets[line + 1] ?? 1) - 1).indexOf(bytes);
      return at >= 0;
    });
  }
  return collect(
    columns,
    lines,
    (from) => columns.text.indexOf(bytes, from),
    () => bytes.length,
  );
}

/** Lines that match a pattern, when bytes are taken for Latin-1 characters; `length`: of every match, if they are all equal. */
export function latin1Sieve(pattern: string, flags: string, length: number | null = null): Sieve {
  const everywhere = new RegExp(pattern, `${flags}g`);
  const single = new RegExp(pattern, flags);
  return (columns, lines) => {
    if (lines.length * fewOf < columns.count) {
      const { text, offsets } = columns;
      return keep(lines, (line) => single.test(text.toString("latin1", offsets[line], (offsets[line + 1] ?? 1) - 1)));
    }
    const latin1 = latin1Of(columns);
    if (length !== null) {
      // makes no object of a match: a common word has very many
      const next = (from: number): number => {
        everywhere.lastIndex = from;
        return everywhere.test(latin1) ? everywhere.lastIndex - length : -1;
      };
      return collect(columns, lines, next, () => length);
    }
    let last = 0;
    const next = (from: number): number => {
      everywhere.lastIndex = from;
      const match = everywhere.exec(latin1);
      last = match?.[0].length ?? 0;
      return match === null ? -1 : match.index;
    };
    return collect(columns, lines, next, () => last);
  };
}

/** Texts as strings, the last ones: several terms of a query want one, and tails go from batch to batch each in turn. */
const mostTexts = 4;
const texts = new Map<Buffer, string>();

function latin1Of({ text }: Columns): string {
  let latin1 = texts.get(text);
  if (latin1 === undefined) {
    texts.set(text, (latin1 = text.toString("latin1")));
    const [oldest] = texts.keys();
    if (texts.size > mostTexts && oldest !== undefined) texts.delete(oldest);
  }
  return latin1;
}

/** Goes from hit to hit in the whole column; a hit that reaches into the next line counts for none. */
function collect(columns: Columns, lines: Lines, next: (from: number) => number, length: () => number): Lines {
  const [first, last] = [lines[0], lines.at(-1)];
  if (first === undefined || last === undefined) return none;
  // where lines begin need not be known to see that nothing is there
  let at = next(first === 0 ? 0 : (columns.offsets[first] ?? 0));
  if (at < 0) return none;
  const { offsets } = columns;
  const found: number[] = [];
  const end = offsets[last + 1] ?? 0;
  let place = 0;
  let line = first;
  while (at >= 0 && at < end) {
    while ((offsets[line + 1] as number) <= at) line++;
    if (at + length() > (offsets[line + 1] as number) - 1) {
      at = next(at + 1);
      continue;
    }
    while (place < lines.length && (lines[place] as number) < line) place++;
    if (lines[place] === line) found.push(line);
    // the next line that is left, so that those ruled out cost nothing
    const wanted = lines[place] === line ? lines[place + 1] : lines[place];
    if (wanted === undefined) break;
    at = next(offsets[wanted] ?? 0);
  }
  return Uint32Array.from(found);
}

/** Lines whose decoded message stands a test. */
export function lineSieve(test: (message: string) => boolean): Sieve {
  return (columns, lines) => {
    if (lines.length === 0) return lines;
    if (!isAscii(columns.text)) return keep(lines, (line) => test(columns.message(line)));
    // parts of one string: nothing is copied
    const latin1 = latin1Of(columns);
    const { offsets } = columns;
    return keep(lines, (line) => test(latin1.slice(offsets[line], (offsets[line + 1] ?? 1) - 1)));
  };
}
