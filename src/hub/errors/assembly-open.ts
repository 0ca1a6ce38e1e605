/** One event while its lines arrive. */
import { type Level, levels } from "#src/protocol/log.ts";
import { warnRank } from "./cheap.ts";
import type { ErrorEvent, ErrorPart } from "./event.ts";
import { createDraft, type Reading } from "./formats/format.ts";
import type { Prefix } from "./formats/prefix.ts";
import { releaseInLine } from "./formats/release.ts";

/** Of one event, lines and bytes that are kept; a Java stack overflow prints 1,024 calls, which say nothing new. */
export const mostLines = 500;
export const mostBytes = 256 * 1024;
/** Lines that are still taken as its own and left out; beyond them the event ends. */
export const mostTaken = 20_000;
/** Lines that may be more of what an error says, kept until something of its own follows. */
const mostHeld = 80;

/** A line on its way into an event. */
export type Line = {
  /** as printed */
  readonly raw: string;
  readonly prefix: Prefix;
  readonly atMs: number;
  readonly position: number;
  readonly level: Level;
  /** the cheap test let it through */
  readonly candidate: boolean;
};

export type Open = {
  readonly first: Line;
  readonly before: readonly string[];
  /** the stream's, and those around it */
  readonly carrier: string;
  /** null: its lines name none */
  readonly thread: string | null;
  /** its first line is the head of a log record: what has no head of its own follows it */
  readonly isRecord: boolean;
  reading: Reading | null;
  readonly lines: string[];
  bytes: number;
  taken: number;
  held: Line[];
  heldChars: number;
  lastMs: number;
  lastPosition: number;
  cut: boolean;
  /** lines since its last one that were not its own */
  strangers: number;
  /** another record came since its last line: only what is its own beyond doubt can still be */
  overtaken: boolean;
  /** a line came since the clock was looked at */
  touched: boolean;
  touchedMs: number;
};

export function createOpen(first: Line, reading: Reading | null, before: readonly string[], back: number): Open {
  const open: Open = {
    first,
    before: back === 0 ? before : before.slice(0, before.length - back),
    carrier: first.prefix.carrier,
    thread: first.prefix.record?.thread ?? null,
    isRecord: first.prefix.record !== null,
    reading,
    lines: [],
    bytes: 0,
    taken: 0,
    held: [],
    heldChars: 0,
    lastMs: first.atMs,
    lastPosition: first.position,
    cut: false,
    strangers: 0,
    overtaken: false,
    touched: true,
    touchedMs: 0,
  };
  if (back > 0) for (const line of before.slice(-back)) keepText(open, line);
  takeLine(open, first);
  return open;
}

/** Adds a line, and those that were held back for it. */
export function takeLine(open: Open, line: Line): void {
  if (open.held.length > 0) {
    const held = open.held;
    open.held = [];
    open.heldChars = 0;
    for (const one of held) keepText(open, one.raw);
  }
  keepText(open, line.raw);
  open.lastMs = line.atMs;
  open.lastPosition = Math.max(open.lastPosition, line.position);
  open.strangers = 0;
  open.overtaken = false;
  open.touched = true;
}

export function holdLine(open: Open, line: Line): void {
  open.touched = true;
  if (open.held.length >= mostHeld || open.heldChars + line.raw.length > mostBytes) return;
  open.held.push(line);
  open.heldChars += line.raw.length;
}

function keepText(open: Open, text: string): void {
  open.taken++;
  if (open.lines.length >= mostLines || open.bytes >= mostBytes) {
    open.cut = true;
    return;
  }
  const room = mostBytes - open.bytes;
  const kept = text.length > room ? text.slice(0, room) : text;
  if (kept.length < text.length) open.cut = true;
  open.lines.push(kept);
  open.bytes += Buffer.byteLength(kept) + 1;
}

/** Nothing that must follow is missing. */
export function isComplete(open: Open): boolean {
  return open.reading?.complete() ?? true;
}

export type Origin = Pick<ErrorEvent, "serverId" | "source" | "stream">;

/** The event that its lines make; null: they turned out to be no error. */
export function finishOpen(open: Open, origin: Origin): ErrorEvent | null {
  const { first, reading } = open;
  const parts = reading?.parts() ?? [];
  const framed = parts.some(({ frames }) => frames.length > 0);
  const said = first.prefix.record?.level ?? first.level;
  const bad = levels.indexOf(said) >= warnRank;
  const format = reading?.format ?? "text";
  if (!framed && !bad && (format === "text" || format === "nginx" || parts.length === 0)) return null;
  const own = reading?.level ?? null;
  const record = first.prefix.record;
  return {
    ...origin,
    atMs: first.atMs,
    firstPosition: first.position,
    lastPosition: open.lastPosition,
    level: own !== null && !(bad && said === "fatal") ? own : bad ? said : "error",
    kind: framed ? "traceback" : "message",
    format,
    parts: parts.length === 0 ? [createDraft(null, messageOf(open))] : parts.map(trimmed),
    logger: record?.logger ?? null,
    database: record?.database ?? null,
    thread: reading?.thread ?? record?.thread ?? null,
    release: releaseInLine(first.raw),
    lines: open.lines,
    before: open.before,
    cut: open.cut,
  };
}

const trimmed = (part: ErrorPart): ErrorPart => ({ ...part, value: part.value.trimEnd() });

/** What a line without a traceback says: its first line, and the next when the first only announces it. */
function messageOf({ first, lines }: Open): string {
  const text = first.prefix.body.trim();
  if (text !== "" && !text.endsWith(":")) return text;
  const second = lines[1]?.trim() ?? "";
  return second === "" ? text : text === "" ? second : `${text} ${second}`;
}
