/** The lines of a view in their order: entries, and between them what is left out and what happened. Pure. */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogMark } from "#src/protocol/query-answers.ts";
import { type Place, comparePlaces, lastPosition, placeOf } from "./place.ts";

/** Characters of a message that a page holds; of a longer one the hub is asked when somebody wants all of it. */
export const heldLength = 16_384;

export type EntryLine = {
  readonly kind: "entry";
  readonly key: string;
  readonly place: Place;
  readonly entry: StoredEntry;
  /** characters of the whole message, when that is not all here */
  readonly whole: number | null;
};

export type Line =
  | EntryLine
  /** entries that came faster than a page can show */
  | { readonly kind: "gap"; readonly key: string; readonly place: Place; readonly lines: number }
  | { readonly kind: "mark"; readonly key: string; readonly place: Place; readonly mark: LogMark };

export function entryLine(entry: StoredEntry): EntryLine {
  const { length } = entry.message;
  const long = length > heldLength;
  return {
    kind: "entry",
    key: entry.id,
    place: placeOf(entry),
    // a slice keeps all of the text that it is of in memory; a copy doesn't
    entry: long ? { ...entry, message: structuredClone(entry.message.slice(0, heldLength)) } : entry,
    whole: long ? length : null,
  };
}

export const gapLine = (before: Place, lines: number): Line => ({
  kind: "gap",
  key: `gap-${before.ms}.${before.position}`,
  place: { ms: before.ms, position: before.position - 0.5 },
  lines,
});

export const markLine = (mark: LogMark): Line => ({
  kind: "mark",
  key: `mark-${mark.id}`,
  place: { ms: Date.parse(mark.at), position: lastPosition },
  mark,
});

const compare = (a: Line, b: Line) => comparePlaces(a.place, b.place);

/** Both in one order; what is in both is there once. `lines` are in order already. */
export function mergeLines(lines: readonly Line[], more: readonly Line[]): readonly Line[] {
  if (more.length === 0) return lines;
  const sorted = more.toSorted(compare);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return lines;
  const from = firstAfter(lines, first);
  const to = firstAfter(lines, last);
  const middle: Line[] = [];
  let at = from;
  // what is new may be here already, at the same place
  let begin = from;
  while (begin > 0 && compare(lines[begin - 1] ?? first, first) === 0) begin--;
  const known = new Set(lines.slice(begin, to).map(({ key }) => key));
  for (const line of sorted) {
    if (known.has(line.key)) continue;
    known.add(line.key);
    while (at < to && compare(lines[at] ?? line, line) <= 0) middle.push(lines[at++] ?? line);
    middle.push(line);
  }
  while (at < to) middle.push(lines[at++] ?? last);
  return [...lines.slice(0, from), ...middle, ...lines.slice(to)];
}

/** Index of the first line behind this one's place. */
function firstAfter(lines: readonly Line[], line: Line): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const here = lines[middle];
    if (here !== undefined && compare(here, line) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const firstEntry = (lines: readonly Line[]): EntryLine | undefined =>
  lines.find((line): line is EntryLine => line.kind === "entry");

export const lastEntry = (lines: readonly Line[]): EntryLine | undefined =>
  lines.findLast((line): line is EntryLine => line.kind === "entry");
