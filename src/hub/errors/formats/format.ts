/** What a format of tracebacks is to assembly: something that recognises a first line, and then takes the next ones. */
import type { Level } from "#src/protocol/log.ts";
import type { ErrorPart, Frame } from "../event.ts";

/**
 * What a reading makes of a line:
 * - `mine`: part of it, beyond doubt;
 * - `value`: may be more of what the error says, and is taken if it begins nothing else;
 * - `held`: the same, but it only counts if something of its own follows;
 * - `no`: not part of it.
 */
export type Taken = "mine" | "value" | "held" | "no";

/** One event being read, line by line. */
export type Reading = {
  /** name of the format; may become known while reading */
  readonly format: string;
  /**
   * @param body a line without its prefix and colours
   * @param near printed in the same breath as the line before it (`nearMs`), which is what unmarked lines are judged by
   * @param loose near, and nothing else begins here: only then is `value` or `held` an answer, and only then may the
   * answer `no` have been preceded by another call with the same line
   */
  take(body: string, near: boolean, loose: boolean): Taken;
  /** It could end here: nothing that must follow is missing. */
  complete(): boolean;
  /** The outermost error first, then its causes one by one, then members and suppressed ones. Never empty. */
  parts(): readonly ErrorPart[];
  /** the thread that the event itself names */
  readonly thread?: string | null;
  /** how bad it says that it is; without it, as bad as its first line, and an error at least */
  readonly level?: Level | null;
};

export type Begun = {
  readonly reading: Reading;
  /** how many of the lines before belong to it, the nearest ones */
  readonly back?: number;
};

/** `before(n)`: the n-th line before this one of the same stream, without prefix; 0 is the nearest, "" is none. */
export type Before = (n: number) => string;

export type Format = {
  readonly name: string;
  /** The beginning of an event, or null. Called for the few lines that passed the cheap test. */
  begin(body: string, before: Before): Begun | null;
};

/** Lines whose times differ by at most so many milliseconds were printed in one breath: one write, or two in a row. */
export const nearMs = 50;

/** Of one error, frames beyond these are left out: the innermost ones are those that tell (a stack overflow has 1,000). */
export const mostFrames = 200;
/** Errors of one event: causes, members of groups. */
export const mostParts = 50;
/** Characters of a value. */
export const mostValue = 8192;

/** A part while it is read. */
export type Draft = {
  type: string | null;
  value: string;
  readonly frames: Frame[];
  relation: ErrorPart["relation"];
};

export function createDraft(type: string | null, value: string, relation: ErrorPart["relation"] = null): Draft {
  return { type, value: value.slice(0, mostValue), frames: [], relation };
}

/** Adds a line to what an error says. */
export function addValue(draft: Draft, text: string): void {
  if (draft.value.length + text.length < mostValue) draft.value += draft.value === "" ? text : `\n${text}`;
}

export function addFrame(draft: Draft, frame: Frame): void {
  if (draft.frames.length < mostFrames) draft.frames.push(frame);
}

/** `12` of `"12"`; null of what is no number. */
export function numberOf(text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : null;
}
