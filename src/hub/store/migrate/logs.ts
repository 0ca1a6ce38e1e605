/**
 * Log lines, copied in ranges of positions. A range is noted before it is sent and marked when the target has it, so that
 * after an interruption at most one is in doubt; the target knows it by its id, and takes it once however often it is sent.
 */
import type { Arrived } from "#src/protocol/log-columns.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Journal, Range } from "./journal.ts";
import { addArrived } from "./log-sums.ts";
import { type Sums } from "./sums.ts";

/** A range ends when it has so many lines, or bytes of messages: one insert, held in memory. */
const rangeLines = 65_536;
const rangeBytes = 16 * 1024 * 1024;

export const logsPart = "logs";

export type LogSource = {
  /** The newest position that can be read. */
  head(): Promise<number>;
  /** How many lines there are after a position. */
  linesAfter(position: number): Promise<number>;
  /** Each is good for as long as its holder wants it. */
  arrivalsAfter(position: number, upTo: number): AsyncIterable<Arrived>;
};

export type LogTarget = {
  /** Stores a range, unless it has it already. */
  write(runs: readonly Arrived[], range: Omit<Range, "sums">): Promise<void>;
  /** How many lines of a range it has. */
  linesOf(range: Pick<Range, "first" | "last" | "insertId">): Promise<number>;
  /** By day and server, what it has up to a position: read back, not remembered. */
  sums(upTo: number, seen: (lines: number) => void): Promise<Sums>;
};

export type LogCopy = {
  readonly source: LogSource;
  readonly target: LogTarget;
  readonly journal: Journal;
  readonly signal: AbortSignal;
  /** No line is said to have arrived before this, or after now: the target lets go by it what is too old. */
  readonly arrivals: { readonly oldestMs: number; readonly nowMs: number };
  readonly copied: (lines: number, bytes: number) => void;
};

/** Copies everything up to `upTo` that is not there yet. */
export async function copyLogs(copy: LogCopy, upTo: number): Promise<void> {
  const { source, journal, signal } = copy;
  await settle(copy);
  let runs: Arrived[] = [];
  let size = { lines: 0, bytes: 0 };
  let next = (await journal.copiedUpTo(logsPart)) + 1;

  async function flush(last: number): Promise<void> {
    const range = { first: next, last, insertId: crypto.randomUUID(), ...describe(runs, copy.arrivals) };
    await send(copy, range, runs);
    [next, runs, size] = [last + 1, [], { lines: 0, bytes: 0 }];
  }

  for await (const arrived of source.arrivalsAfter(next - 1, upTo)) {
    signal.throwIfAborted();
    runs.push(arrived);
    size.lines += arrived.columns.count;
    size.bytes += arrived.columns.text.length;
    if (size.lines >= rangeLines || size.bytes >= rangeBytes) {
      await flush(arrived.firstPosition + arrived.columns.count - 1);
    }
  }
  // to the very end, also where the last lines are gone: what comes next begins behind it
  if (next <= upTo) await flush(upTo);
}

/** What became of the range that was on its way when the last run ended. */
async function settle(copy: LogCopy): Promise<void> {
  const { source, target, journal } = copy;
  const open = await journal.open(logsPart);
  if (open === null) return;
  if ((await target.linesOf(open)) === open.lines) {
    await journal.finish(logsPart, open);
    copy.copied(open.lines, 0);
    return;
  }
  // the source may have let some of it go meanwhile
  const runs: Arrived[] = [];
  for await (const arrived of source.arrivalsAfter(open.first - 1, open.last)) runs.push(arrived);
  await send(copy, { ...open, ...describe(runs, copy.arrivals), arrivedMs: open.arrivedMs }, runs);
}

async function send({ target, journal, copied }: LogCopy, range: Range, runs: readonly Arrived[]): Promise<void> {
  await journal.begin(logsPart, range);
  if (range.lines > 0) {
    await target.write(runs, range);
    const there = await target.linesOf(range);
    if (there !== range.lines) {
      throw new Fault("failed", `${there} of ${range.lines} lines from position ${range.first} on reached the target`, {
        hint: "Run the same command again: it repeats them",
      });
    }
  }
  await journal.finish(logsPart, range);
  copied(
    range.lines,
    runs.reduce((sum, { columns }) => sum + columns.text.length, 0),
  );
}

function describe(runs: readonly Arrived[], { oldestMs, nowMs }: LogCopy["arrivals"]) {
  const sums: Sums = new Map();
  let lines = 0;
  let newestMs = -Infinity;
  for (const run of runs) {
    addArrived(sums, run);
    lines += run.columns.count;
    for (const at of run.columns.times) if (at > newestMs) newestMs = at;
  }
  return { lines, sums, arrivedMs: Math.max(oldestMs, Math.min(nowMs, newestMs)) };
}
