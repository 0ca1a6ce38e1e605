/** Messages to lines: timestamps taken off, parts of long lines joined, what was taken before passed over. Pure. */
import { maxMessageLength } from "#src/protocol/log.ts";

import type { ContainerLine } from "./ports.ts";
import { type Repeats, createRepeats } from "./repeats.ts";
import { type Place, type Position, positionBehind } from "./position.ts";

type Name = "stdout" | "stderr";

type State = {
  /** the newest message, taken or not */
  seen: Place | undefined;
  /** the newest message whose line was given out */
  taken: Place | undefined;
  /** up to here everything was taken before; undefined when that is behind us */
  known: Place | undefined;
  /** the engine still has what was taken last, so nothing is missing behind it */
  met: boolean;
  readonly repeats: Repeats;
  /** parts of a line that is not whole yet */
  parts: Buffer[];
  bytes: number;
  /** time of its first part */
  from: string;
  /** pieces of it that were given out already */
  pieces: number;
};

export type Assembler = {
  /** Takes a message; its line, if it is whole now, goes to `lines`. */
  take(stream: Name, message: Buffer, lines: ContainerLine[]): void;
  /** No more will come: lines without an end go to `lines`. */
  finish(lines: ContainerLine[]): void;
  /** Where reading goes on behind all lines given out so far; undefined before the first. */
  position(): Position | undefined;
  /** Takes out the time without lines that the engine threw away before they were read. */
  takeGap(): Gap | undefined;
};

/** Between the message that was taken last and the oldest one that the engine still has; RFC 3339. */
export type Gap = { readonly from: string; readonly to: string };

/** Docker writes nine digits of a second, Podman none (RFC 3339 lets it be any number). */
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) /;
/** A byte makes a character at most; in bytes this is a message's limit however it is decoded. */
const pieceBytes = maxMessageLength;

/** @param now the time of a message that has none, which no engine sends. RFC 3339 */
export function createAssembler(resume: Position | undefined, now: () => string): Assembler {
  const start = (known: Place | undefined): State => ({
    seen: undefined,
    taken: known,
    known,
    // one that is not asked for again can't be met
    met: known === undefined || Date.parse(known.at) < (resume?.since ?? 0) * 1000,
    repeats: createRepeats(now),
    parts: [],
    bytes: 0,
    from: "",
    pieces: 0,
  });
  const states: Readonly<Record<Name, State>> = { stdout: start(resume?.stdout), stderr: start(resume?.stderr) };
  let gave = false;
  let gap: Gap | undefined;

  function give(stream: Name, state: State, last: boolean, lines: ContainerLine[]): void {
    const bytes = state.parts.length === 1 ? state.parts[0] : Buffer.concat(state.parts);
    const message = bytes?.toString("utf8") ?? "";
    const cut = !last || state.pieces > 0;
    const line = { at: state.from, stream, message };
    lines.push(cut ? { ...line, piece: { part: state.pieces + 1, last } } : line);
    state.parts = [];
    state.bytes = 0;
    state.pieces = last ? 0 : state.pieces + 1;
    state.taken = state.seen ?? state.taken;
    gave = true;
  }

  return {
    take(stream, message, lines) {
      const state = states[stream];
      const { at, size } = readStamp(message) ?? { at: now(), size: 0 };
      const whole = message.at(-1) === 10;
      if (size > 0 && state.repeats.has(at, message, whole)) return;
      const count = state.seen?.at === at ? state.seen.count + 1 : 1;
      if (size > 0) state.seen = { at, count };
      if (state.known !== undefined && size > 0) {
        if (at <= state.known.at) state.met = true;
        if (at < state.known.at || (at === state.known.at && count <= state.known.count)) return;
        if (!state.met) gap ??= { from: state.known.at, to: at };
        state.known = undefined;
      }
      const end = whole ? message.length - (message.at(-2) === 13 ? 2 : 1) : message.length;
      if (state.parts.length === 0 && state.pieces === 0) state.from = at;
      // a copy: what it was decoded from is used again
      const part = Buffer.from(message.subarray(size, Math.max(size, end)));
      state.parts.push(part);
      state.bytes += part.length;
      if (whole || state.bytes >= pieceBytes) give(stream, state, whole, lines);
    },
    finish(lines) {
      for (const stream of ["stdout", "stderr"] as const) {
        const state = states[stream];
        if (state.parts.length > 0) give(stream, state, true, lines);
      }
    },
    position() {
      if (!gave) return undefined;
      const { stdout, stderr } = states;
      const pending = [stdout, stderr].filter(({ parts }) => parts.length > 0).map(({ from }) => from);
      return positionBehind(stdout.taken, stderr.taken, pending.sort()[0]);
    },
    takeGap() {
      const found = gap;
      gap = undefined;
      return found;
    },
  };
}

/** The timestamp before a message, in UTC: an engine that reads from journald may use its own time zone. */
function readStamp(message: Buffer): { readonly at: string; readonly size: number } | undefined {
  // nearly all of them, without a regular expression
  if (message[29] === 90 && message[30] === 32 && message[19] === 46 && message[10] === 84) {
    const at = message.toString("latin1", 0, 30);
    if (stamp.test(`${at} `)) return { at, size: 31 };
  }
  const match = stamp.exec(message.toString("latin1", 0, 36));
  if (match === null) return undefined;
  const [all, seconds, fraction = "", zone] = match;
  const ms = Date.parse(`${seconds}${zone}`);
  if (Number.isNaN(ms)) return undefined;
  return { at: `${new Date(ms).toISOString().slice(0, 19)}.${fraction.padEnd(9, "0")}Z`, size: all.length };
}
