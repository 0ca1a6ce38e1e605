/** What an insert added to a sender's numbers, and those numbers without it again. */
import type { Range, Ranges } from "../seen.ts";

/** What of `ranges` is not in `others`. */
export function withoutRanges(ranges: Ranges, others: Ranges): Ranges {
  const left: Range[] = [];
  let next = 0;
  for (const [from, to] of ranges) {
    let at = from;
    while (next < others.length && (others[next] as Range)[1] < from) next++;
    for (let i = next; i < others.length; i++) {
      const [otherFrom, otherTo] = others[i] as Range;
      if (otherFrom > to) break;
      if (otherFrom > at) left.push([at, otherFrom - 1]);
      at = Math.max(at, otherTo + 1);
    }
    if (at <= to) left.push([at, to]);
  }
  return left;
}
