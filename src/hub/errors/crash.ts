/**
 * Crashes and the errors that led to them. The last lines of a script or container that died hold the error's last line:
 * then the crash belongs to the error's group. Either may be told first, so both are remembered for a while.
 */
import type { StoredEvent } from "#src/protocol/api.ts";
import type { CrashRow } from "#src/protocol/error-rows.ts";
import type { AgentEvent } from "#src/protocol/event.ts";
import type { ErrorEvent } from "./event.ts";

/** Between an error and the crash that it led to, in milliseconds, by the clocks of their host. */
const withinMs = 60_000;
/** How long a crash waits for its error: that is told when a second was quiet, and may be on its way for longer. */
const waitMs = 60_000;
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
  /** The position of the oldest crash that still waits; null: none does. */
  readonly waitsFrom: () => number | null;
};

export function createCrashes(): Crashes {
  // the least recently used first
  const told = new Map<string, Told[]>();
  let waiting: { readonly crash: Crash; readonly untilMs: number }[] = [];
  let fresh = false;

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
        if (told.size > maxOrigins) for (const oldest of told.keys()) return void told.delete(oldest);
      }
      fresh = true;
    },
    event(stored, nowMs) {
      const crash = crashOf(stored);
      if (crash === null) return;
      waiting.push({ crash, untilMs: nowMs + waitMs });
      if (waiting.length > maxWaiting) waiting.shift();
      fresh = true;
    },
    joined(nowMs) {
      if (waiting.length === 0 || (!fresh && waiting.every(({ untilMs }) => untilMs > nowMs))) return [];
      fresh = false;
      const joins: Join[] = [];
      waiting = waiting.filter(({ crash, untilMs }) => {
        const error = told.get(keyOf(crash.server, crash.source))?.findLast((one) => belongs(one, crash));
        if (error === undefined) return untilMs > nowMs;
        const { tail: _, ...rest } = crash;
        joins.push({ crash: rest, fingerprint: error.fingerprint, variant: error.variant });
        return false;
      });
      return joins;
    },
    waitsFrom: () => waiting[0]?.crash.event ?? null,
  };
}

/** The lines that an error is known by: its last ones that say something. */
function telling(lines: readonly string[]): readonly string[] {
  const said = lines.flatMap((line) => line.split("\n"))
    .map((line) => line.trim());
  return said.filter((line) => line.length >= shortestLine).slice(-3);
}

function belongs({ atMs, lines }: Told, { atMs: crashedMs, tail }: Crash): boolean {
  if (Math.abs(crashedMs - atMs) > withinMs) return false;
  const known = telling(lines);
  return known.length > 0 && known.every((line) => tail.some((one) => one.includes(line)));
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
