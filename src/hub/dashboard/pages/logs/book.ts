/**
 * The lines of a view that the page holds: a stretch without holes out of all that there are, which grows to where
 * somebody reads and is let go of at the other end, so that a million lines are read in the memory of a few thousand.
 */
import { type ReadonlySignal, signal } from "@preact/signals";

import type { SearchProgress } from "#src/protocol/query-answers.ts";
import { sentenceOf } from "../../client.ts";
import type { Connection } from "../../stream.ts";
import { type TailBatch, followTail } from "../../tail.ts";
import { type Line, entryLine, firstEntry, gapLine, lastEntry, mergeLines } from "./lines.ts";
import { type Place, comparePlaces, lastPosition, readPlace, writePlace } from "./place.ts";
import { searchLines } from "./search.ts";

/** Lines of a page of a search. */
const pageLines = 400;
/** Lines that are held, and what remains of them when it gets more. */
const [mostLines, keptLines] = [4000, 3000];
/** Lines that came while those before them were still loaded. */
const mostWaiting = 2000;

/** What lies beyond an end of the lines. */
export type Edge =
  | { readonly kind: "more" }
  /** only what has come since it stopped following */
  | { readonly kind: "fresh" }
  | { readonly kind: "none" }
  | { readonly kind: "loading"; readonly progress: SearchProgress | null }
  /** the reader stopped it, or it took too long; it can go on */
  | { readonly kind: "stopped"; readonly at: string | null }
  | { readonly kind: "failed"; readonly problem: string };

export type BookState = {
  readonly lines: readonly Line[];
  readonly older: Edge;
  readonly newer: Edge;
  /** new lines are shown as they come */
  readonly following: boolean;
  /** lines that came and are not shown, since it stopped following; `more`: and some that nobody counted */
  readonly missed: { readonly lines: number; readonly more: boolean };
  /** lines a second, when only samples of them are shown */
  readonly flood: number | null;
  readonly connection: Connection;
  /** blocks that the search had to pass over */
  readonly damaged: number;
  /** counts the times that other lines took the place of all, and where the reader is to look then */
  readonly opened: { readonly count: number; readonly at: "end" | "start" | Place };
};

export type Book = {
  readonly state: ReadonlySignal<BookState>;
  /** Loads what comes before or after. */
  more(end: "older" | "newer"): void;
  /** Stops loading it. */
  stop(end: "older" | "newer"): void;
  /** Follows new lines, from the newest on, or stops to. */
  follow(on: boolean): void;
  /** Goes to a place, or the newest lines. */
  go(to: Place | "end"): void;
  /** Puts in what happened. */
  add(lines: readonly Line[]): void;
  close(): void;
};

export type BookPlan = {
  /** what is asked of the API, the time included */
  readonly request: URLSearchParams;
  /** the same without its time; null: nothing comes after `to` */
  readonly tail: URLSearchParams | null;
  readonly at: Place | null;
  readonly onArrived: (arrived: TailBatch["arrived"]) => void;
};

export function createBook({ request, tail, at, onArrived }: BookPlan): Book {
  const live = tail !== null;
  const state = signal<BookState>({
    lines: [],
    older: { kind: "more" },
    newer: { kind: "none" },
    following: live && at === null,
    missed: { lines: 0, more: false },
    flood: null,
    connection: "connecting",
    damaged: 0,
    opened: { count: 0, at: at ?? "end" },
  });
  const change = (part: Partial<BookState>) => (state.value = { ...state.value, ...part });
  const searches: Record<"older" | "newer", AbortController | undefined> = { older: undefined, newer: undefined };
  // where a search goes on that ended without a line, or early
  const cursors: Record<"older" | "newer", string | null> = { older: null, newer: null };
  // what came while the lines before it were loaded; null: there were too many
  let waiting: Line[] | null = [];

  async function load(end: "older" | "newer", from: string | null): Promise<void> {
    searches[end]?.abort();
    const own = (searches[end] = new AbortController());
    const query = new URLSearchParams(request);
    query.set("order", end === "older" ? "newest" : "oldest");
    query.set("limit", String(pageLines));
    query.set("marks", "true");
    query.set("budget", "30000");
    if (from !== null) query.set("cursor", from);
    if (end === "newer") waiting = [];
    change({ [end]: { kind: "loading", progress: null } });
    try {
      const found = await searchLines(
        query,
        {
          onLines: (lines) => put(lines, end),
          onProgress(progress) {
            if (!own.signal.aborted) change({ [end]: { kind: "loading", progress } });
          },
        },
        own.signal,
      );
      if (own.signal.aborted) return;
      cursors[end] = found.cursor;
      const edge: Edge =
        found.stoppedEarly === "time"
          ? { kind: "stopped", at: timeOf(found.cursor) }
          : { kind: found.cursor === null ? "none" : "more" };
      change({ [end]: edge, damaged: Math.max(state.value.damaged, found.damaged) });
      if (end === "newer" && edge.kind === "none") caughtUp();
    } catch (error) {
      if (!own.signal.aborted) change({ [end]: { kind: "failed", problem: sentenceOf(error) } });
    } finally {
      if (searches[end] === own) searches[end] = undefined;
    }
  }

  /** The newest line is there: what came meanwhile follows it. */
  function caughtUp(): void {
    if (!live) return;
    if (waiting === null) {
      change({ newer: { kind: "fresh" } });
      return;
    }
    put(waiting, "newer");
    waiting = [];
    change({ missed: { lines: 0, more: false } });
  }

  /** Puts lines in, and lets go of those at the far end. */
  function put(more: readonly Line[], end: "older" | "newer"): void {
    let lines = mergeLines(state.value.lines, more);
    let part: Partial<BookState> = {};
    if (lines.length > mostLines && end === "newer") {
      lines = lines.slice(-keptLines);
      searches.older?.abort();
      cursors.older = cursorAt(firstEntry(lines)) ?? cursors.older;
      part = { older: { kind: "more" } };
    } else if (lines.length > mostLines) {
      lines = lines.slice(0, keptLines);
      searches.newer?.abort();
      cursors.newer = cursorAt(lastEntry(lines)) ?? cursors.newer;
      part = { newer: { kind: "more" }, following: false };
    }
    change({ lines, ...part });
  }

  function open(to: Place | "end", following: boolean): void {
    for (const end of ["older", "newer"] as const) searches[end]?.abort();
    cursors.older = cursors.newer = null;
    change({
      lines: [],
      following,
      ...(to === "end" ? { missed: { lines: 0, more: false } } : {}),
      opened: { count: state.value.opened.count + 1, at: to },
      older: to === "end" ? { kind: "loading", progress: null } : { kind: "more" },
      newer: to === "end" ? { kind: "none" } : { kind: "loading", progress: null },
    });
    if (to === "end") return void load("older", null);
    // what is before it is loaded when the reader is brought there, as everywhere
    cursors.older = writePlace(to);
    // what is at the place itself comes with what is after it
    const before = { ms: to.ms, position: to.position - 1 };
    void load("newer", writePlace(before.position < 0 ? { ms: to.ms - 1, position: lastPosition } : before));
  }

  function take(batch: TailBatch): void {
    onArrived(batch.arrived);
    const entries = batch.entries.map(entryLine);
    const [first] = entries;
    const after = first?.place ?? { ms: Date.now(), position: lastPosition };
    const gap = batch.skipped > 0 ? [gapLine(after, batch.skipped)] : [];
    const lines = [...gap, ...entries];
    change({ flood: batch.flood });
    const { following, missed, newer } = state.value;
    if (following) return put(within(lines), "newer");
    const count = missed.lines + entries.length + (batch.skippedByHub ? 0 : batch.skipped);
    change({
      missed: { lines: count, more: missed.more || batch.skippedByHub },
      ...(newer.kind === "none" ? { newer: { kind: "fresh" } } : {}),
    });
    if (waiting === null || newer.kind !== "loading") return;
    waiting = waiting.length + lines.length > mostWaiting ? null : [...waiting, ...lines];
  }

  /** Late lines from before what is held are found where they belong, when that is loaded. */
  function within(lines: readonly Line[]): readonly Line[] {
    const first = state.value.older.kind === "none" ? undefined : firstEntry(state.value.lines);
    return first === undefined ? lines : lines.filter((line) => line.place.ms >= first.place.ms);
  }

  let stopTail: (() => void) | undefined;
  if (tail === null) open(at ?? "end", false);
  else {
    let begun = false;
    // the stream is there first, so that nothing falls between it and what was before
    const begin = () => {
      if (begun && !state.value.following) {
        // lines of the time without a connection are not counted
        change({ missed: { ...state.value.missed, more: true }, newer: { kind: "more" } });
      } else open(begun ? "end" : (at ?? "end"), begun || at === null);
      begun = true;
    };
    stopTail = followTail(tail, {
      onReady: begin,
      onBatch: take,
      onState(connection) {
        change({ connection });
        // lines from before are there without it
        if (connection === "away" && !begun) begin();
      },
      onProblem: (problem) => change({ newer: { kind: "failed", problem }, following: false, connection: "away" }),
    });
  }

  return {
    state,
    more(end) {
      const { lines, older, newer } = state.value;
      if (["none", "loading"].includes((end === "older" ? older : newer).kind)) return;
      const edge = end === "older" ? firstEntry(lines) : lastEntry(lines);
      const from = cursors[end] ?? cursorAt(edge);
      if (from === null && end === "newer") open("end", live);
      else void load(end, end === "newer" && edge !== undefined ? later(from, cursorAt(edge)) : from);
    },
    stop(end) {
      searches[end]?.abort();
      const edge = state.value[end];
      const reached = edge.kind === "loading" ? edge.progress : null;
      cursors[end] = null;
      if (reached !== null) cursors[end] = writePlace({ ms: Date.parse(reached.at), position: lastPosition });
      change({ [end]: { kind: "stopped", at: reached?.at ?? null } });
    },
    follow(on) {
      if (!live || on === state.value.following) return;
      if (!on) change({ following: false });
      else if (state.value.newer.kind === "none") change({ following: true, missed: { lines: 0, more: false } });
      else open("end", true);
    },
    go: (to) => open(to, live && to === "end"),
    add(lines) {
      const { lines: held, older, newer } = state.value;
      const [first, last] = [firstEntry(held), lastEntry(held)];
      // what lies beyond comes with the lines there
      const from = older.kind === "none" ? -Infinity : (first?.place.ms ?? Infinity);
      const to = newer.kind === "none" ? Infinity : (last?.place.ms ?? -Infinity);
      put(
        lines.filter(({ place }) => place.ms >= from && place.ms <= to),
        "newer",
      );
    },
    close() {
      stopTail?.();
      for (const end of ["older", "newer"] as const) searches[end]?.abort();
    },
  };
}

const cursorAt = (line: { readonly place: Place } | undefined): string | null =>
  line === undefined ? null : writePlace(line.place);

/** Lines may have been put in behind where a search ended. */
function later(one: string | null, other: string | null): string | null {
  const [a, b] = [readPlace(one ?? ""), readPlace(other ?? "")];
  if (a === null || b === null) return one ?? other;
  return comparePlaces(a, b) < 0 ? other : one;
}

function timeOf(cursor: string | null): string | null {
  const ms = Number.parseInt(cursor ?? "", 10);
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
