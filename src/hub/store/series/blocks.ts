/** Blocks in the database: written, read over a stretch of time, rolled up and packed. */
import { type Column, type Rolled, mergeColumns, mergeRolled } from "./column.ts";
import { type Effort, readColumns, readRolled, writeColumns, writeRolled } from "./block.ts";
import type { Tier } from "#src/protocol/series.ts";
import { longestGapS, rollUp } from "./rollup.ts";
import type { BlockRow, Statements } from "./statements.ts";

const hourS = 3600;
const dayS = 86_400;

/** Seconds that the blocks of a tier span at most; of one period there is one block once it is packed. */
export const periodOf: Readonly<Record<Tier, number>> = { 0: dayS, 300: dayS, 3600: 30 * dayS };

export const startOf = (timeS: number, lengthS: number): number => Math.floor(timeS / lengthS) * lengthS;

type Wants = (key: string) => boolean;

export type Blocks = {
  /** Writes points, a block for each day that they are of. */
  readonly addColumns: (origin: number, columns: readonly Column[], effort: Effort) => void;
  /** Points of a stretch; of counters also the one before it. */
  readonly columns: (origin: number, fromS: number, toS: number, wants?: Wants) => Column[][];
  readonly rolled: (origin: number, tier: Tier, fromS: number, toS: number, wants?: Wants) => Rolled[][];
  /** Makes the stretches of an hour out of its points. */
  readonly rollHour: (origin: number, hour: number) => void;
  /** Makes one block out of those of a day, and of the longer period that it lies in. */
  readonly packDay: (origin: number, day: number) => void;
};

export function createBlocks(statements: Statements, damaged: (row: BlockRow, error: unknown) => void): Blocks {
  /** What `read` makes of each row; one that is damaged is said, and costs itself. */
  function readAll<T>(rows: readonly BlockRow[], read: (body: Uint8Array) => T): { whole: BlockRow[]; parts: T[] } {
    const whole: BlockRow[] = [];
    const parts: T[] = [];
    for (const row of rows) {
      try {
        parts.push(read(row.body));
        whole.push(row);
      } catch (error) {
        damaged(row, error);
      }
    }
    return { whole, parts };
  }

  function between(origin: number, tier: Tier, fromS: number, toS: number): BlockRow[] {
    const period = periodOf[tier];
    const [first, end] = [startOf(fromS, period), startOf(toS, period) + period];
    return statements.blocksBetween.all(origin, tier, first, end, fromS, toS);
  }

  function addColumns(origin: number, columns: readonly Column[], effort: Effort): void {
    let rest = columns;
    while (rest.length > 0) {
      const period = startOf(Math.min(...rest.map(({ times }) => times[0] ?? 0)), dayS);
      const part = rest.flatMap((column) => cutColumn(column, period, period + dayS));
      const { first, last } = spanOf(part);
      statements.addBlock.run(origin, 0, period, first, last, writeColumns(part, effort));
      rest = rest.flatMap((column) => cutColumn(column, period + dayS, Number.POSITIVE_INFINITY));
    }
  }

  function addRolled(origin: number, tier: Tier, rolled: readonly Rolled[], effort: Effort): void {
    if (rolled.length === 0) return;
    const { first, last } = spanOf(rolled);
    // a stretch that began before `from` may still reach into it
    const end = last + tier - 1;
    statements.addBlock.run(origin, tier, startOf(first, periodOf[tier]), first, end, writeRolled(rolled, effort));
  }

  function columns(origin: number, fromS: number, toS: number, wants?: Wants): Column[][] {
    return readAll(between(origin, 0, fromS - longestGapS, toS), (body) => readColumns(body, wants)).parts;
  }

  /** Replaces rows by what is in all of them. */
  function pack<T>(
    origin: number,
    tier: Tier,
    period: number,
    read: (body: Uint8Array) => T,
    write: (parts: T[]) => void,
  ) {
    const rows = statements.blocksOfPeriod.all(origin, tier, period);
    if (rows.length < 2) return;
    const { whole, parts } = readAll(rows, read);
    for (const { id } of whole) statements.dropBlock.run(id);
    if (parts.length > 0) write(parts);
  }

  return {
    addColumns,
    columns,
    rolled: (origin, tier, fromS, toS, wants) =>
      readAll(between(origin, tier, fromS, toS), (body) => readRolled(body, wants)).parts,
    rollHour(origin, hour) {
      const merged = [...mergeColumns(columns(origin, hour, hour + hourS)).values()];
      for (const tier of [300, 3600] as const) {
        const rolled = merged.map((column) => rollUp(column, tier, hour, hour + hourS));
        addRolled(
          origin,
          tier,
          rolled.filter(({ times }) => times.length > 0),
          "soon repacked",
        );
      }
    },
    packDay(origin, day) {
      pack(
        origin,
        0,
        day,
        (body) => readColumns(body),
        (parts) => addColumns(origin, [...mergeColumns(parts).values()], "stays"),
      );
      for (const tier of [300, 3600] as const) {
        pack(
          origin,
          tier,
          startOf(day, periodOf[tier]),
          (body) => readRolled(body),
          (parts) => addRolled(origin, tier, [...mergeRolled(parts).values()], "stays"),
        );
      }
    },
  };
}

function cutColumn(column: Column, fromS: number, toS: number): Column[] {
  const { times, values } = column;
  const first = times.findIndex((time) => time >= fromS);
  if (first === -1) return [];
  const found = times.findIndex((time) => time >= toS);
  const end = found === -1 ? times.length : found;
  if (first === 0 && end === times.length) return [column];
  return end > first ? [{ ...column, times: times.slice(first, end), values: values.slice(first, end) }] : [];
}

function spanOf(series: readonly { readonly times: readonly number[] }[]): { first: number; last: number } {
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { times } of series) {
    first = Math.min(first, times[0] ?? first);
    last = Math.max(last, times.at(-1) ?? last);
  }
  return { first, last };
}
