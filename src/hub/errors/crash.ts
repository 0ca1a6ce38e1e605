/**
 * Crashes and the errors that led to them. The last lines of a script or container that died hold the error's last line:
 * then the crash belongs to the error's group. Either may be told first, so both are remembered for a while. An error that
 * was logged before the one that it died of may be in these lines as well: the last of them counts.
 */
import type { StoredEvent } from "#src/protocol/api.ts";
import type { CrashRow } from "#src/protocol/error-rows.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { ErrorEvent } from "./event.ts";

/** Between an error and the crash that it led to, in milliseconds, by the clocks of their host. */
const withinMs = 60_000;
/** How long a crash waits for its error: that is told when a second was quiet, and may be on its way for longer. */
const waitMs = 60_000;
/** How long it waits for another error when lines follow those of the one that was found: until that has been told. */
const settleMs = 5000;
/** Errors of one source, and sources, that are remembered. */
const maxErrors = 5;
const maxOrigins = 5000;
/** Crashes that wait. */
const maxWaiting = 1000;
/** Of an error's lines, so many at its end are remembered. */
const lastLines = 6;
/** Shorter lines, such as a brace, are in any output. */
const shortestLine = 4;

type Crash = Omit<CrashRow, "group" | "variant"> & { readonly tail: readonly string[] };
type Told = {
  readonly atMs: number;
  readonly lines: readonly string[];
  readonly fingerprint: string;
  readonly variant: string;
};

export type Join = {
  readonly crash: Omit<CrashRow, "group" | "variant">;
  readonly fingerprint: string;
  readonly variant: string;
};

export type Crashes = {
  readonly error: (event: ErrorEvent, identity: { readonly fingerprint: string; readonly variant: string }) => void;
  /** Notes an event if it is a crash. */
  readonly event: (stored: StoredEvent, nowMs: number) => void;
  /** What has been found to belong together since the last call. Crashes whose time is over are given up. */
  readonly joined: (nowMs: number) => readonly Join[];
  /** When to ask again although nothing came meanwhile; null: need not be. */
  readonly settlesAt: (nowMs: number) => number | null;
  /** The position of the oldest crash that still waits; null: none does. */
  readonly waitsFrom: () => number | null;
};

export function createCrashes(): Crashes {
  // the least recently used first
  const told = new Map<string, Told[]>();
  let waiting: { readonly crash: Crash; readonly sinceMs: number }[] = [];
  let fresh = false;
  let askedMs = Number.NEGATIVE_INFINITY;

  const keyOf = (server: string, source: string) => `${server}\u0000${source}`;

  return {
    error({ serverId, source, atMs, lines }, { fingerprint, variant }) {
      const key = keyOf(serverId, source);
      const before = told.get(key);
      const list = before ?? [];
      list.push({ atMs, lines: lines.slice(-lastLines), fingerprint, variant });
      if (list.length > maxErrors) list.shift();
      if (before === undefined || told.size > maxOrigins / 2) {
        told.delete(key);
        told.set(key, list);
        const [oldest] = told.keys();
        if (told.size > maxOrigins && oldest !== undefined) told.delete(oldest);
      }
      fresh = true;
    },
    event(stored, nowMs) {
      const crash = crashOf(stored);
      if (crash === null) return;
      waiting.push({ crash, sinceMs: nowMs });
      if (waiting.length > maxWaiting) waiting.shift();
      fresh = true;
    },
    joined(nowMs) {
      const came = fresh;
      const before = askedMs;
      [fresh, askedMs] = [false, nowMs];
      const joins: Join[] = [];
      waiting = waiting.filter(({ crash, sinceMs }) => {
        const settles = sinceMs + settleMs;
        const isOver = sinceMs + waitMs <= nowMs;
        if (!came && !isOver && !(before < settles && settles <= nowMs)) return true;
        const found = lastOf(told.get(keyOf(crash.server, crash.source)) ?? [], crash);
        if (found === null) return !isOver;
        if (!found.ends && settles > nowMs) return true;
        const { tail: _, ...rest } = crash;
        joins.push({ crash: rest, fingerprint: found.error.fingerprint, variant: found.error.variant });
        return false;
      });
      return joins;
    },
    settlesAt: (nowMs) => waiting.map(({ sinceMs }) => sinceMs + settleMs).find((ms) => ms > nowMs) ?? null,
    waitsFrom: () => waiting[0]?.crash.event ?? null,
  };
}

/** What of some lines says something. */
function telling(lines: readonly string[]): readonly string[] {
  const said = lines.flatMap((line) => line.split("\n")).map((line) => line.trim());
  return said.filter((line) => line.length >= shortestLine);
}

/** Of the errors whose end is in a crash's last lines, the one that is the furthest down; `ends`: it is all there is. */
function lastOf(errors: readonly Told[], crash: Crash): { readonly error: Told; readonly ends: boolean } | null {
  const tail = telling(crash.tail);
  let found: Told | undefined;
  let place = -1;
  let ends = false;
  for (const error of errors) {
    if (Math.abs(crash.atMs - error.atMs) > withinMs) continue;
    const known = telling(error.lines).slice(-3);
    const from = placeOf(known, tail);
    if (from === -1 || from < place) continue;
    [found, place, ends] = [error, from, from === tail.length - known.length];
  }
  return found === undefined ? null : { error: found, ends };
}

/** Where the last place begins at which `lines` are, in order; lines of another stream may be among them. -1: nowhere. */
function placeOf(lines: readonly string[], tail: readonly string[]): number {
  let at = lines.length === 0 ? -1 : tail.length;
  for (const line of lines.toReversed()) {
    if (at === -1) return -1;
    at = tail.slice(0, at).findLastIndex((one) => one.includes(line));
  }
  return at;
}

function crashOf({ id, serverId, event }: StoredEvent): Crash | null {
  const [event_, server] = [Number(id), serverId];
  if (event.type === "script.crashed") {
    return { event: event_, server, source: event.script, atMs: Date.parse(event.at), ...how(event), tail: event.tail };
  }
  if (event.type !== "container.died" || event.cause === "exited" || event.cause === "stopped") return null;
  return { event: event_, server, source: event.source, atMs: Date.parse(event.at), ...how(event), tail: event.tail };
}

/** In words. */
function how(event: Extract<AgentEvent, { type: "script.crashed" | "container.died" }>) {
  const oom = event.type === "script.crashed" ? event.oom : event.cause === "oom";
  const ended =
    event.signal !== null
      ? `killed by ${event.signal}`
      : event.exitCode !== null
        ? `exited ${event.exitCode}`
        : "ended";
  return { type: event.type, how: oom ? "out of memory" : ended };
}
