/**
 * What live tails read from: the latest entries, kept in memory while anybody follows, and older ones out of the store.
 * Both come in batches, which all tails share.
 */
import type { Cancel } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Arrived, LogColumns } from "#src/protocol/log-columns.ts";
import type { Arrivals } from "../search-ports.ts";
import { type Batch, createBatch } from "./log-tail-batch.ts";
import { type TailBudget, againMs } from "./tail-budget.ts";

/** Bytes of messages and entries that are kept: a burst of this size is read from memory. */
const mostBytes = 24 * 1024 * 1024;
const mostEntries = 200_000;
/** Positions that are read from the store at once. */
const olderStretch = 16_384;
/** The same when only the entries of some servers are wanted. */
const olderStretchOfSome = 65_536;
/** Tails look at what came this often at most, in milliseconds, so that a busy hub is not busy with waking them. */
const pulseMs = 25;
/** What can't be read because the store is away is tried again this much later. */
const awayMs = 1000;

/** What comes next after a position. */
export type Next =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** there is nothing up to here */
  | { readonly kind: "gap"; readonly to: number }
  /** it is being read; listeners are called when it is there */
  | { readonly kind: "later" }
  | { readonly kind: "failed"; readonly problem: string };

/** Whose entries a tail wants; null: everybody's. */
export type Servers = readonly string[] | null;

export type TailSource = {
  /** Calls `listener` when there may be something, from now on. `servers` is asked each time. */
  join(listener: () => void, servers: () => Servers): Cancel;
  /** The position of the newest entry, which may not be at hand yet. */
  end(): number;
  /** Up to where there is something to give. */
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
  /** what came after `since`, up to `heard`: all that is wanted */
  const recent: Batch[] = [];
  let [since, heard] = [0, 0];
  let [bytes, entries] = [0, 0];
  const listeners = new Map<() => void, () => Servers>();
  /** whose entries are at hand; null: everybody's */
  let wanted: Set<string> | null = new Set();
  /** what is read is of no use when more is wanted since */
  let generation = 0;
  let cancel: Cancel | undefined;
  let older: Stretch | undefined;
  let loading = false;
  let problem: string | undefined;
  let pulse: ReturnType<typeof setTimeout> | undefined;
  let pulsedAt = -Infinity;

  function take(arrived: Arrived): void {
    budget.arrived();
    const last = arrived.firstPosition + arrived.columns.count - 1;
    if (last <= since) return;
    passed(last);
    if (wanted?.has(arrived.serverId) === false) return;
    const batch = createBatch(copyOf(arrived));
    recent.push(batch);
    bytes += batch.arrived.columns.text.length;
    entries += batch.arrived.columns.count;
    while (recent.length > 1 && (bytes > mostBytes || entries > mostEntries)) {
      const [oldest] = recent.splice(0, 1);
      since = oldest?.last ?? since;
      bytes -= oldest?.arrived.columns.text.length ?? 0;
      entries -= oldest?.arrived.columns.count ?? 0;
    }
  }

  /** Up to a position, all that is wanted is at hand. */
  function passed(position: number): void {
    if (position <= heard) return;
    heard = position;
    pulseIn(Math.max(0, pulsedAt + pulseMs - now()));
  }

  /** Sees to it that what a tail wants is at hand from now on. */
  function want(servers: Servers): void {
    if (wanted === null || (servers !== null && servers.every((server) => wanted?.has(server)))) return;
    wanted = servers === null ? null : wanted.union(new Set(servers));
    begin();
  }

  /** Nothing is at hand; what is wanted comes. */
  function begin(): void {
    recent.length = bytes = entries = 0;
    older = undefined;
    generation++;
    // what came before may be on its way to us without what is wanted only now
    since = heard = Math.max(heard, logs.head());
  }

  function pulseIn(ms: number): void {
    pulse ??= setTimeout(() => {
      pulse = undefined;
      pulsedAt = now();
      const all = [...listeners];
      for (const [listener, servers] of all) {
        // who had a turn is last the next time
        if (listeners.delete(listener)) listeners.set(listener, servers);
        want(servers());
        listener();
        if (budget.looking.ready()) continue;
        pulseIn(againMs);
        break;
      }
    }, ms);
  }

  function leave(listener: () => void): void {
    listeners.delete(listener);
    if (listeners.size > 0) {
      const all = [...listeners.values()].map((servers) => servers());
      wanted = all.includes(null) ? null : new Set(all.flatMap((servers) => servers ?? []));
      return;
    }
    cancel?.();
    cancel = undefined;
    clearTimeout(pulse);
    pulse = undefined;
    recent.length = bytes = entries = 0;
    wanted = new Set();
    older = undefined;
    problem = undefined;
  }

  async function load(from: number, to: number): Promise<void> {
    const batches: Batch[] = [];
    const begun = generation;
    for await (const arrived of logs.arrivalsAfter(from, to, wanted)) {
      if (wanted?.has(arrived.serverId) !== false) batches.push(createBatch(copyOf(arrived)));
    }
    if (begun === generation) older = { from, to, batches };
  }

  function startLoading(position: number): void {
    if (loading) return;
    loading = true;
    const most = wanted === null ? olderStretch : olderStretchOfSome;
    const goOn = (ms: number): void => {
      setTimeout(() => {
        loading = false;
        if (listeners.size > 0) pulseIn(0);
      }, ms);
    };
    keep(
      load(position, Math.min(position + most, since)).then(() => goOn(0)),
      (error) => {
        const isAway = error instanceof Fault && error.code === "unavailable";
        // each of the tails is told, and ends
        if (!isAway) problem = `the log can't be read: ${reasonOf(error)}`;
        goOn(isAway ? awayMs : 0);
      },
    );
  }

  return {
    budget,
    join(listener, servers) {
      if (cancel === undefined) {
        begin();
        cancel = logs.onArrival(take, { servers: () => wanted, passed });
      }
      // who comes now tries again
      problem = undefined;
      listeners.set(listener, servers);
      want(servers());
      return () => leave(listener);
    },
    end: () => logs.head(),
    head: () => heard,
    next(position) {
      if (position >= since) {
        const batch = batchAfter(recent, position);
        return batch === undefined ? { kind: "gap", to: heard } : { kind: "batch", batch };
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
