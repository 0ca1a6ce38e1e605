/** Sets of lines of a piece, and what is made of them. */

import type { Columns } from "../blocks/reader-port.ts";

/** Rising indexes. */
export type Lines = Uint32Array;

/** Takes the lines that match from those that are left. */
export type Sieve = (columns: Columns, lines: Lines) => Lines;

export const none: Lines = new Uint32Array(0);
let rising: Lines = none;

/** The lines from `from` to before `to`. Not to be written to. */
export function linesBetween(from: number, to: number): Lines {
  const count = Math.max(0, to - from);
  if (to > rising.length) rising = Uint32Array.from({ length: Math.max(to, 16_384) }, (_, i) => i);
  return rising.subarray(from, from + count);
}

/** Lines that stand a test. */
export function keep(lines: Lines, test: (line: number) => boolean): Lines {
  const { length } = lines;
  const kept = new Uint32Array(length);
  let count = 0;
  // every line of every block that is opened goes through here: an index is several times as fast as an iterator
  for (let i = 0; i < length; i++) {
    const line = lines[i] as number;
    if (test(line)) kept[count++] = line;
  }
  return count === length ? lines : kept.subarray(0, count);
}

/** Lines whose value in a column is good. */
export function keepGood(lines: Lines, column: Uint8Array | Uint16Array, good: readonly boolean[]): Lines {
  const { length } = lines;
  const allowed = Uint8Array.from(good, Number);
  const kept = new Uint32Array(length);
  let count = 0;
  for (let i = 0; i < length; i++) {
    const line = lines[i] as number;
    // without a branch: what is good is as random as what is logged
    kept[count] = line;
    count += allowed[column[line] as number] as number;
  }
  return count === length ? lines : kept.subarray(0, count);
}

/** Those that are not among `gone`, which is part of them. */
export function without(lines: Lines, gone: Lines): Lines {
  if (gone.length === 0) return lines;
  if (gone.length === lines.length) return none;
  const kept = new Uint32Array(lines.length - gone.length);
  let count = 0;
  let place = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as number;
    if (gone[place] === line) place++;
    else kept[count++] = line;
  }
  return kept;
}

/** Those of either set; no line is in both. */
export function union(a: Lines, b: Lines): Lines {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const all = new Uint32Array(a.length + b.length);
  let [i, j] = [0, 0];
  for (let k = 0; k < all.length; k++) {
    const [left = Infinity, right = Infinity] = [a[i], b[j]];
    if (left < right) i++;
    else j++;
    all[k] = Math.min(left, right);
  }
  return all;
}
