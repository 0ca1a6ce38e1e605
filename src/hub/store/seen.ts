/**
 * Which sequence numbers of a sender have been stored: a short sorted list of closed ranges, the idea of TCP's selective
 * acknowledgement (RFC 2018). A plain high-water mark would take entries that were overtaken for repeats, and lose them.
 */

/** `[from, to]`, both ends included. */
export type Range = readonly [from: number, to: number];
/** Sorted, not touching each other. */
export type Ranges = readonly Range[];

/**
 * Gaps that are remembered. A sender keeps its order, so gaps are numbers that travelled another way or were dropped;
 * past this many the oldest gap is closed.
 */
export const maxRanges = 64;

/** Whether `seq` lies in one of the ranges. */
export function isSeen(ranges: Ranges, seq: number): boolean {
  for (let i = ranges.length - 1; i >= 0; i--) {
    const range = ranges[i];
    if (range !== undefined && seq >= range[0]) return seq <= range[1];
  }
  return false;
}

/** The highest number seen, or -1. */
export function highest(ranges: Ranges): number {
  return ranges.at(-1)?.[1] ?? -1;
}

/** The ranges with `[from, to]` added: touching ones joined, at most {@link maxRanges} kept. */
export function addRange(ranges: Ranges, from: number, to: number): Ranges {
  const before = ranges.filter((range) => range[1] < from - 1);
  const after = ranges.filter((range) => range[0] > to + 1);
  const touching = ranges.slice(before.length, ranges.length - after.length);
  const joined: Range = [Math.min(from, touching[0]?.[0] ?? from), Math.max(to, touching.at(-1)?.[1] ?? to)];
  const all = [...before, joined, ...after];
  while (all.length > maxRanges) {
    const [lowest, next] = all.splice(0, 2);
    if (lowest !== undefined && next !== undefined) all.unshift([lowest[0], next[1]]);
  }
  return all;
}

/** What of a delivery is new. */
export type Admission = {
  /** indexes of new entries, or `all` */
  readonly fresh: "all" | readonly number[];
  readonly ranges: Ranges;
};

/**
 * Sorts the numbers of one delivery into new and repeated. A rising delivery is one slice of the sender's queue, so a
 * number missing in its middle will not come later: the whole slice counts as seen.
 */
export function admit(ranges: Ranges, seqs: ArrayLike<number>): Admission {
  const count = seqs.length;
  const first = seqs[0];
  const last = seqs[count - 1];
  if (first === undefined || last === undefined) return { fresh: [], ranges };
  let rising = true;
  for (let i = 1, previous = first; i < count; i++) {
    const seq = seqs[i] ?? previous;
    if (seq <= previous) {
      rising = false;
      break;
    }
    previous = seq;
  }
  if (rising && first > highest(ranges)) return { fresh: "all", ranges: addRange(ranges, first, last) };
  const fresh: number[] = [];
  const own = new Set<number>();
  let next = ranges;
  for (let i = 0; i < count; i++) {
    const seq = seqs[i] ?? 0;
    if (isSeen(ranges, seq) || own.has(seq)) continue;
    own.add(seq);
    fresh.push(i);
    if (!rising) next = addRange(next, seq, seq);
  }
  if (rising) next = addRange(next, first, last);
  return { fresh: fresh.length === count ? "all" : fresh, ranges: next };
}
