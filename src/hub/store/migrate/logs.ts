/**
 * Log lines, copied in ranges of positions. A range is noted before it is sent and marked when the target has it, so that
 * after an interruption at most one is in doubt; the target knows it by its id, and takes it once however often it is sent.
 */
import type { Arrived } from "#src/protocol/log-columns.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { Journal, Range } from "./journal.ts";
import { addArrived, nameOfKey, serverOfKey } from "./log-sums.ts";
import { type Difference, type Sums, differencesOf } from "./sums.ts";

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
  /** How many lines there are of each server, of a source that stands still. */
  counts(): Promise<Counts>;
  /** Of these, lines that can't be read; looks at everything. */
  unreadable(): Promise<Counts>;
};

/** Lines by server. */
export type Counts = ReadonlyMap<string, number>;

export type LogTarget = {
  /** Stores a range, unless it has it already. */
  write(runs: readonly Arrived[], range: Omit<Range, "sums">): Promise<void>;
  /** How many lines of a range it has. */
  linesOf(range: Pick<Range, "first" | "last" | "insertId">): Promise<number>;
  /** By day and server, what it has after a position and up to another: read back, not remembered. */
  sums(after: number, upTo: number, seen: (lines: number) => void, signal?: AbortSignal): Promise<Sums>;
  counts(): Promise<Counts>;
  /** Between two ranges: a time to put in order what was written. */
  tidy?(lines: number): Promise<void>;
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
  await target.tidy?.(range.lines);
}

/**
 * Compares what was copied since the last comparison, up to `upTo`, where a range ends. What was compared is not compared
 * again but counted ({@link countLogs}), so that the last look, for which a hub stands still, is at little.
 */
export async function compareLogs(
  { target, journal, signal }: Pick<LogCopy, "target" | "journal" | "signal">,
  upTo: number,
  seen: (lines: number) => void,
): Promise<{ readonly compared: number; readonly differences: readonly Difference[] }> {
  const after = await journal.comparedUpTo(logsPart);
  if (after >= upTo) return { compared: 0, differences: [] };
  const wanted = await journal.sums(logsPart, after);
  const differences = differencesOf(wanted, await target.sums(after, upTo, seen, signal), nameOfKey);
  if (differences.length === 0) await journal.compared(logsPart, upTo);
  return { compared: linesIn(wanted), differences };
}

const linesIn = (sums: Sums): number => [...sums.values()].reduce((lines, { count }) => lines + count, 0);

/**
 * Counts everything, of a source that stands still: the target must have what was copied, and no server may have more lines
 * in the source than it has there, except such as can't be read. (It may have less: what was too old went.)
 */
export async function countLogs(
  { source, target, journal }: Pick<LogCopy, "source" | "target" | "journal">,
  onDamage: (problem: string) => void,
): Promise<readonly Difference[]> {
  const copied = new Map<string, number>();
  for (const [key, { count }] of await journal.sums(logsPart)) {
    const server = serverOfKey(key);
    copied.set(server, (copied.get(server) ?? 0) + count);
  }
  const [there, here] = [await target.counts(), await source.counts()];
  const differences: Difference[] = [];
  for (const server of [...new Set([...copied.keys(), ...there.keys()])].sort()) {
    const [wanted, found] = [copied.get(server) ?? 0, there.get(server) ?? 0];
    if (wanted !== found) differences.push({ what: `lines of ${server}`, wanted, found });
  }
  const short = [...here].filter(([server, lines]) => lines > (copied.get(server) ?? 0));
  if (short.length === 0) return differences;
  const unreadable = await source.unreadable();
  for (const [server, lines] of short) {
    const [lost, found] = [unreadable.get(server) ?? 0, copied.get(server) ?? 0];
    if (lost > 0) onDamage(`${lost} lines of ${server}`);
    if (lines - lost > found) differences.push({ what: `lines of ${server}`, wanted: lines - lost, found });
  }
  return differences;
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
