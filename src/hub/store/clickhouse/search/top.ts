/** The most frequent values of a field. */
import { levels, streams } from "#src/protocol/log.ts";
import { columnOf } from "#src/protocol/query-match.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import { type Top, longestValue, maxValues, tallyOf } from "../../search/top.ts";
import { type Counting, createCounting } from "./counting.ts";
import { oddMessage } from "./query-said.ts";
import type { Reading } from "./reading.ts";
import type { World } from "./spread.ts";
import { type Sql, and, no, not, yes } from "./sql.ts";

type Value = { readonly value: string | number; readonly n: number };

/** What SQL can count by, and of which entries. */
type Column = { readonly name: string; readonly provided: Sql };

export async function countValues(
  world: World,
  selection: LogSelection,
  { path, limit, budgetMs }: { readonly path: string; readonly limit: number; readonly budgetMs: number | null },
  signal?: AbortSignal,
): Promise<Top> {
  const column = columnFor(path);
  const provided = column?.provided ?? no;
  const byServer = columnOf(path) === "server";
  const counting = createCounting(world, selection, { budgetMs, signal, byServer, provided });
  if (counting.upper === no) return { values: [], partial: false };
  if (column !== null && (counting.exact || (await isCertain(world.reading, counting, signal)))) {
    return await countInSql(world.reading, column.name, counting, limit, signal);
  }
  const counts = new Map<string, number>();
  const tally = tallyOf(path);
  let partial = false;
  function add(value: string, count: number): void {
    const known = counts.get(value);
    if (known === undefined && counts.size >= maxValues) partial = true;
    else counts.set(value, (known ?? 0) + count);
  }
  const whole = await counting.look(true, ({ columns, lines }) => tally(columns, lines, add));
  const sorted = [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : a > b ? 1 : 0));
  return {
    values: sorted.slice(0, limit).map(([value, count]) => ({ value, count })),
    partial: partial || !whole,
  };
}

function columnFor(path: string): Column | null {
  const column = columnOf(path);
  switch (column) {
    case "level":
    case "stream":
    case "server":
    case "source":
      return { name: column, provided: yes };
    case "message":
      // a longer one counts with those that begin like it
      return { name: column, provided: and(`(length(message) <= ${longestValue})`, not(oddMessage)) };
    case "container":
    case null:
      return null;
  }
}

/** Whether there happens to be nothing that the matcher would have to decide about. */
async function isCertain(
  reading: Reading,
  { upper, lower, left }: Counting,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (lower === no) return false;
  const sql = `SELECT 1 AS open FROM ${reading.table} WHERE ${and(upper, not(lower))} LIMIT 1`;
  const { rows, whole } = await reading.rowsInTime(sql, { timeoutMs: left(), signal });
  return whole && rows.length === 0;
}

async function countInSql(
  reading: Reading,
  name: string,
  { upper, left }: Counting,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Top> {
  // equal counts by UTF-16 units, as everywhere: there, what is beyond U+FFFF comes before what is beyond U+DFFF
  const order = `replaceAll(replaceAll(toString(value), '\\xee', '\\xf5'), '\\xef', '\\xf6')`;
  const sql = `SELECT ${name} AS value, count() AS n FROM ${reading.table} WHERE ${upper} GROUP BY value ORDER BY n DESC, ${order} LIMIT ${isRank(name) ? levels.length + streams.length : limit}`;
  const { rows, whole } = await reading.rowsInTime<Value>(sql, { timeoutMs: left(), signal });
  const values = rows.map(({ value, n }) => ({ value: nameOf(name, value), count: n }));
  // ranks are in another order than names
  const sorted = values.toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0));
  return { values: sorted.slice(0, limit), partial: !whole };
}

const isRank = (column: string): boolean => column === "level" || column === "stream";

function nameOf(column: string, value: string | number): string {
  if (typeof value === "string") return value;
  return (column === "level" ? levels : streams)[value] ?? "";
}
