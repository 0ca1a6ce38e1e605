/**
 * What live tails read from: the latest entries, kept in memory while anybody follows, and older ones out of the store.
 * Both come in batches, which all tails share.
 */
import type { Cancel } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import type { Arrivals } from "../search-ports.ts";
import { type Batch, createBatch } from "./log-tail-batch.ts";
import { type TailBudget, againMs } from "./tail-budget.ts";

/** Bytes of messages and entries that are kept: a burst of this size is read from memory. */
const mostBytes = 24 * 1024 * 1024;
const mostEntries = 200_000;
/** Positions that are read from the store at once. */
const olderStretch = 16_384;
/** Tails look at what came this often at most, in milliseconds, so that a busy hub is not busy with waking them. */
const pulseMs = 25;

/** What comes next after a position. */
export type Next =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** there is nothing up to here */
  | { readonly kind: "gap"; readonly to: number }
  /** it is being read; listeners are called when it is there */
  | { readonly kind: "later" }
  | { readonly kind: "failed"; readonly problem: string };

export type TailSource = {
  /** Calls `listener` when there may be something, from now on. */
  join(listener: () => void): Cancel;
  head(): number;
  /** What comes next after a position that is before the head. Only for those who joined. */
  next(position: number): Next;
  /** First position of the batch that came last; undefined: none is at hand. */
  newest(): number | undefined;
  /** Calls the listeners in a while. */
  again(): void;
  /** The time that all tails share. */
  readonly budget: TailBudget;
};

/** Batches in a row, without gaps but for what is gone from the store: positions after `from`, up to `to`. */
type Stretch = { readonly from: number; readonly to: number; readonly batches: readonly Batch[] };

export function createTailSource(logs: Arrivals, budget: TailBudget, now = () => performance.now()): TailSource {
  const recent: Batch[] = [];
  let [bytes, entries] = [0, 0];
  const listeners = new Set<() => void>();
  let cancel: Cancel | undefined;
  let older: Stretch | undefined;
  let loading = false;
  let problem: string | undefined;
  let pulse: ReturnType<typeof setTimeout> | undefined;
  let pulsedAt = -Infinity;

  function take(arrived: Arrived): void {
    budget.arrived();
    const batch = createBatch(copyOf(arrived));
    recent.push(batch);
    bytes += batch.arrived.columns.text.length;
    entries += batch.arrived.columns.count;
    while (recent.length > 1 && (bytes > mostBytes || entries > mostEntries)) {
      const [oldest] = recent.splice(0, 1);
      bytes -= oldest?.arrived.columns.text.length ?? 0;
      entries -= oldest?.arrived.columns.count ?? 0;
    }
    pulseIn(Math.max(0, pulsedAt + pulseMs - now()));
  }

  function pulseIn(ms: number): void {
    pulse ??= setTimeout(() => {
      pulse = undefined;
      pulsedAt = now();
      const all = [...listeners];
      for (const listener of all) {
        // who had a turn is last the next time
        if (listeners.delete(listener)) listeners.add(listener);
        listener();
        if (budget.looking.ready()) continue;
        pulseIn(againMs);
        break;
      }
    }, ms);
  }

  function leave(listener: () => void): void {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    cancel?.();
    cancel = undefined;
    clearTimeout(pulse);
    pulse = undefined;
    recent.length = bytes = entries = 0;
    older = undefined;
    problem = undefined;
  }

  async function load(from: number, to: number): Promise<void> {
    const batches: Batch[] = [];
    for await (const arrived of logs.arrivalsAfter(from, to)) batches.push(createBatch(copyOf(arrived)));
    older = { from, to, batches };
  }

  function startLoading(position: number): void {
    if (loading) return;
    loading = true;
    const edge = recent[0] === undefined ? logs.head() : recent[0].arrived.firstPosition - 1;
    const loaded = load(position, Math.min(position + olderStretch, edge)).finally(() => {
      loading = false;
      pulseIn(0);
    });
    // each of the tails is told, and ends
    keep(loaded, (error) => {
      problem = `the log can't be read: ${reasonOf(error)}`;
    });
  }

  return {
    budget,
    join(listener) {
      cancel ??= logs.onArrival(take);
      // who comes now tries again
      problem = undefined;
      listeners.add(listener);
      return () => leave(listener);
    },
    head: () => logs.head(),
    next(position) {
      const first = recent[0]?.arrived.firstPosition ?? Infinity;
      if (position + 1 >= first) {
        const batch = batchAfter(recent, position);
        return batch === undefined ? { kind: "gap", to: logs.head() } : { kind: "batch", batch };
      }
      if (problem !== undefined) return { kind: "failed", problem };
      if (older !== undefined && position >= older.from && position < older.to) {
        const batch = batchAfter(older.batches, position);
        return batch === undefined ? { kind: "gap", to: older.to } : { kind: "batch", batch };
      }
      startLoading(position);
      return { kind: "later" };
    },
    newest: () => recent.at(-1)?.arrived.firstPosition,
    again: () => pulseIn(againMs),
  };
}

/** The first batch that ends after a position. */
function batchAfter(batches: readonly Batch[], position: number): Batch | undefined {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((batches[middle]?.last ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return batches[low];
}

/** The store's columns are ours for the moment only. */
function copyOf({ serverId, firstPosition, columns }: Arrived): Arrived {
  const { count, offsets, text } = columns;
  const [begin = 0, end = 0] = [offsets[0], offsets[count]];
  const copy: LogColumns = {
    count,
    times: columns.times.slice(0, count),
    seqs: columns.seqs.slice(0, count),
    levels: columns.levels.slice(0, count),
    streams: columns.streams.slice(0, count),
    text: Buffer.from(text.subarray(begin, end)),
    offsets: offsets.slice(0, count + 1).map((offset) => offset - begin),
    fields: columns.fields?.slice(0, count) ?? null,
    sources: [...columns.sources],
    sourceIndex: columns.sourceIndex?.slice(0, count) ?? null,
    odd: new Map(columns.odd),
  };
  return { serverId, firstPosition, columns: copy };
}
