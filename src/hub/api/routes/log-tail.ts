/**
 * The feed of a live tail. It has no queue of its own: its place in the store is its queue, so a reader gets every
 * entry once and in order, also across reconnections. A reader too far behind is taken forward and told what it missed.
 */
import type { StoredEntry } from "#src/protocol/api.ts";
import type { EntryTest } from "#src/protocol/query-match.ts";
import type { Arrivals } from "../search-ports.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";
import { type TailBudget, againMs } from "./tail-budget.ts";

/** Entries that are looked at in one go. */
const maxEntries = 500;
/** Entries that a reader may be behind. A burst of this size reaches it whole. */
export const maxLag = 200_000;
/** Where it goes on when it was further behind. */
const keptLag = 1000;
/** Milliseconds that looking at one stretch may take: an expression that takes longer would stop everybody. */
const longestLookMs = 1000;

export type LogTail = Feed & {
  /** Its expression took too long: it gives nothing any more. */
  tooSlow(): boolean;
};

export type LogTailWorld = {
  readonly logs: Arrivals;
  /** asked each time, because servers come and go */
  readonly testNow: () => EntryTest;
  /** shared with the other tails */
  readonly budget: TailBudget;
};

/** Entries after `from` that the test lets through. */
export function createLogTail({ logs, testNow, budget }: LogTailWorld, from: number): LogTail {
  // an id of another store, or of the time before a restore: go on with what comes
  let position = Math.min(from, logs.head());
  let told = false;
  let slow = false;
  let again: ReturnType<typeof setTimeout> | undefined;
  const bell = createBell();
  const cancel = logs.onAppend(() => {
    budget.arrived();
    bell.ring();
  });

  function skip(): string {
    const to = logs.head() - keptLag;
    const missed = { lines: to - position, from: String(position + 1), to: String(to) };
    position = to;
    return sseEvent("skipped", JSON.stringify(missed), String(to));
  }

  function askAgain(): void {
    again ??= setTimeout(() => {
      again = undefined;
      bell.ring();
    }, againMs);
  }

  /** What is found in the next stretch. */
  function look(): string | undefined {
    const { entries, position: reached } = logs.after(position, maxEntries);
    const started = performance.now();
    const found = entries.filter(testNow());
    slow = performance.now() - started > longestLookMs;
    position = reached;
    if (slow) return sseEvent("problem", JSON.stringify({ problem: "the query takes too long to follow the log by" }));
    if (found.length > 0) return found.map(entryEvent).join("");
    // more to look at: after others had their turn
    if (position < logs.head()) setImmediate(bell.ring);
    return undefined;
  }

  return {
    next() {
      if (slow) return undefined;
      // where the tail begins: a reader that saw nothing yet can resume there
      if (!told) {
        told = true;
        return sseEvent("ready", JSON.stringify({ position: String(position) }), String(position));
      }
      const head = logs.head();
      if (position >= head) return undefined;
      if (head - position > maxLag) return skip();
      if (!budget.ready()) {
        askAgain();
        return undefined;
      }
      const started = performance.now();
      const text = look();
      budget.spend(performance.now() - started);
      return text;
    },
    wait: bell.wait,
    close() {
      cancel();
      clearTimeout(again);
    },
    tooSlow: () => slow,
  };
}

function entryEvent(entry: StoredEntry): string {
  return sseEvent("log", JSON.stringify(entry), entry.id);
}
