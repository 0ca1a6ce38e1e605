/** Counts of entries over time. */
import { levels } from "#src/protocol/log.ts";
import type { LogSelection } from "#src/protocol/query.ts";
import type { Histogram } from "../../log-port.ts";
import { filled, stepFor } from "../../search/histogram.ts";
import { createCounting } from "./counting.ts";
import { limitsOf, saidOf, within } from "./query-said.ts";
import { TimeUp } from "./reading.ts";
import type { World } from "./spread.ts";
import { no, yes } from "./sql.ts";

/** Buckets that are asked for without knowing how many there are; of more, the step has to be longer. */
const mostAtOnce = 50_000;

type Stretch = readonly [fromMs: number, toMs: number];

type Bucket = { readonly bucket: number; readonly level: number; readonly sure: number; readonly all: number };

export async function countOverTime(
  world: World,
  selection: LogSelection,
  stepMs: number | null,
  budgetMs: number | null,
  signal?: AbortSignal,
): Promise<Histogram> {
  const counting = createCounting(world, selection, { budgetMs, signal, byServer: false, provided: yes });
  if (counting.upper === no) return { stepMs: stepMs ?? 1, buckets: [], total: 0, partial: false };
  const read = async (step: number, limit: number) => {
    const sure = counting.exact ? "count()" : `countIf(${counting.lower})`;
    // divided as the hub divides: both numbers as floating point
    const sql = `SELECT toInt64(floor(at / toFloat64(${step}))) AS bucket, level, ${sure} AS sure, count() AS all FROM ${world.reading.table} WHERE ${counting.upper} GROUP BY bucket, level LIMIT ${limit}`;
    return await world.reading.rowsInTime<Bucket>(sql, { timeoutMs: counting.left(), signal });
  };
  // everything there is says itself where it begins and ends
  const isAll = counting.exact && saidOf(selection.query).upper === yes;
  const first = stepMs !== null && isAll ? await read(stepMs, mostAtOnce) : null;
  let stretch =
    first === null || first.rows.length === mostAtOnce ? null : stretchIn(selection, stepMs ?? 1, first.rows);
  try {
    stretch ??= await stretchOf(world, selection, counting.left(), signal);
  } catch (error) {
    if (error instanceof TimeUp) return { stepMs: stepMs ?? 1, buckets: [], total: 0, partial: true };
    throw error;
  }
  const [fromMs, toMs] = stretch;
  const step = stepFor(stepMs, fromMs, toMs);
  const buckets = new Map<number, Float64Array>();
  let partial = false;
  let open = counting.lower === no ? Infinity : 0;

  function add(at: number, level: number, count: number): void {
    let bucket = buckets.get(at);
    if (bucket === undefined) buckets.set(at, (bucket = new Float64Array(levels.length)));
    bucket[level] = (bucket[level] ?? 0) + count;
  }

  if (open === 0) {
    const known = first !== null && first.rows.length < mostAtOnce && step === stepMs;
    const { rows, whole } = known ? first : await read(step, Number.MAX_SAFE_INTEGER);
    partial = !whole;
    for (const { bucket, level, sure: count, all } of rows) {
      if (count > 0) add(bucket * step, level, count);
      open += all - count;
    }
  }
  if (open > 0 && !partial) {
    const whole = await counting.look(open === Infinity, ({ columns, lines }) => {
      const { times, levels: ranks } = columns;
      for (const line of lines) add(Math.floor((times[line] ?? 0) / step) * step, ranks[line] ?? 0, 1);
    });
    partial ||= !whole;
  }
  return { ...filled(buckets, step, fromMs, toMs), partial };
}

/** The same from all that was counted; null: there is nothing. */
function stretchIn({ fromMs, toMs }: LogSelection, step: number, rows: readonly Bucket[]): Stretch | null {
  let [first, last] = [Infinity, -Infinity];
  for (const { bucket } of rows) {
    first = Math.min(first, bucket);
    last = Math.max(last, bucket);
  }
  if (first === Infinity) return null;
  return [fromMs ?? first * step, toMs ?? last * step + 1];
}

/** What is asked for, or what there is of it. */
async function stretchOf(
  { reading }: World,
  selection: LogSelection,
  timeoutMs: number | null,
  signal: AbortSignal | undefined,
): Promise<Stretch> {
  const { fromMs, toMs } = selection;
  if (fromMs !== null && toMs !== null) return [fromMs, Math.max(toMs, fromMs + 1)];
  const limits = limitsOf(selection);
  const sql = `SELECT toFloat64(min(at)) AS first, toFloat64(max(at)) AS last, count() AS lines FROM ${reading.table} WHERE ${limits} AND ${within(fromMs ?? -Infinity, toMs ?? Infinity)}`;
  const [found] = await reading.rows<{ first: number; last: number; lines: number }>(sql, { timeoutMs, signal });
  const { first, last, lines } = found ?? { first: 0, last: 0, lines: 0 };
  const from = fromMs ?? (lines === 0 ? (toMs ?? 1) - 1 : Math.min(first, (toMs ?? Infinity) - 1));
  const to = toMs ?? (lines === 0 ? from + 1 : Math.max(last, from) + 1);
  return [from, Math.max(to, from + 1)];
}
