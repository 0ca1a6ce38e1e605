/**
 * How entries are spread over time, roughly: by the days of their arrival, which the parts of the table are known by. It
 * says how long a stretch to ask for first, and nothing about what is in it.
 */
import { quote } from "./sql.ts";
import type { Patience, Reading } from "./reading.ts";

const dayMs = 86_400_000;
/** How long it is good, in milliseconds. */
const freshMs = 10_000;

export type Spread = {
  /** of all servers and sources */
  readonly rows: number;
  /** where the first and last of them are expected */
  readonly firstMs: number;
  readonly lastMs: number;
  /** rows in a millisecond, at the beginning and at the end */
  readonly early: number;
  readonly late: number;
};

export type World = {
  readonly reading: Reading;
  /** milliseconds that never go back */
  readonly monotonic: () => number;
  /** milliseconds since the epoch */
  readonly now: () => number;
};

export function createSpread({ reading, monotonic, now }: World): (patience: Patience) => Promise<Spread> {
  let known: Spread | undefined;
  let knownAt = 0;
  return async (patience) => {
    if (known === undefined || monotonic() - knownAt > freshMs) {
      const sql = `SELECT partition, toFloat64(sum(rows)) AS rows FROM system.parts WHERE active AND database = currentDatabase() AND table = ${quote(reading.stored)} GROUP BY partition ORDER BY partition`;
      known = spreadOf(await reading.rows(sql, patience), now());
      knownAt = monotonic();
    }
    return known;
  };
}

function spreadOf(days: readonly { readonly partition: string; readonly rows: number }[], nowMs: number): Spread {
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return { rows: 0, firstMs: nowMs, lastMs: nowMs, early: 0, late: 0 };
  const begin = beginOf(last.partition);
  const lastMs = Math.max(begin + 1, Math.min(nowMs, begin + dayMs));
  return {
    rows: days.reduce((sum, { rows }) => sum + rows, 0),
    firstMs: beginOf(first.partition),
    lastMs,
    early: first.rows / Math.max(1, Math.min(dayMs, lastMs - beginOf(first.partition))),
    late: last.rows / (lastMs - begin),
  };
}

/** `20260131` */
function beginOf(partition: string): number {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(partition) ?? [];
  return Date.UTC(Number(year ?? 1970), Number(month ?? 1) - 1, Number(day ?? 1));
}
