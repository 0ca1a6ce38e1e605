/**
 * One stream of lines: which event each line belongs to. Pure but for its state; the same lines give the same events
 * however they are cut into batches.
 */
import { levels } from "#src/protocol/log.ts";
import { createOpen, holdLine, isComplete, type Line, mostTaken, type Open, takeLine } from "./assembly-open.ts";
import { warnRank } from "./cheap.ts";
import { type Before, nearMs, type Taken } from "./formats/format.ts";
import { beginEvent } from "./formats/formats.ts";
import { levelNamed, parsePrefix } from "./formats/prefix.ts";

/** Without a line for so long, by the lines' own times, an event has ended. */
export const quietMs = 1000;
/** Lines of others that may stand between those of an event: a whole one, and one that lacks its end. */
const mostStrangers = { complete: 8, incomplete: 64 } as const;
/** Events of one stream that are open at once: threads that print at the same time. */
const mostOpen = 8;

export type Lane = {
  /** the one that took a line last is the last */
  readonly opens: Open[];
};

export type LaneWorld = {
  /** up to 20 lines before the one that is fed now, oldest first */
  readonly before: () => readonly string[];
  readonly opened: (open: Open) => void;
  readonly closed: (open: Open) => void;
};

export function createLane(): Lane {
  return { opens: [] };
}

/** Source code that Bun and compilers show around an error: words in it are no message. */
const excerpt = /^\s*\d+ \| /;

/** Gives a line to the event that it belongs to, or begins one, or passes it over. */
export function feed(lane: Lane, line: Line, world: LaneWorld): void {
  const { opens } = lane;
  for (let i = opens.length - 1; i >= 0; i--) {
    if (line.atMs - (opens[i] as Open).lastMs > quietMs) close(lane, opens[i] as Open, world);
  }
  if (offer(lane, line, world, false)) return;
  const prefix = asText(lane, line) ? { ...line.prefix, record: null } : line.prefix;
  const bad = levels.indexOf(prefix.record?.level ?? line.level) >= warnRank && !excerpt.test(prefix.body);
  const begun = line.candidate || hostOf(lane, line) !== undefined ? beginEvent(prefix.body, beforeOf(world)) : null;
  if (prefix.record !== null) overtake(lane, line, world);
  else {
    if (begun === null && !bad && offer(lane, { ...line, prefix }, world, true)) return;
    const host = begun === null && !bad ? undefined : hostOf(lane, line);
    if (host !== undefined && line.atMs - host.lastMs <= nearMs && (begun !== null || isMore(host, line))) {
      if (begun !== null) host.reading = begun.reading;
      take(lane, host, line, world);
      return;
    }
  }
  if (begun === null && !bad) {
    passBy(lane, world);
    return;
  }
  for (const open of opens.filter((one) => endsWith(one, line))) close(lane, open, world);
  passBy(lane, world);
  const open = createOpen(line, begun?.reading ?? null, world.before(), begun?.back ?? 0);
  opens.push(open);
  world.opened(open);
  // nothing can follow a bare line that is no record's head
  if (begun === null && !open.isRecord) close(lane, open, world);
  else if (opens.length > mostOpen) close(lane, opens[0] as Open, world);
}

/** Ends an event and hands it on. */
export function close(lane: Lane, open: Open, world: Pick<LaneWorld, "closed">): void {
  const at = lane.opens.indexOf(open);
  if (at === -1) return;
  lane.opens.splice(at, 1);
  world.closed(open);
}

/** Offers a line to the open events, the latest first. `loose`: as one that may be more of what an error says. */
function offer(lane: Lane, line: Line, world: LaneWorld, loose: boolean): boolean {
  const { carrier, record, body } = line.prefix;
  for (let i = lane.opens.length - 1; i >= 0; i--) {
    const open = lane.opens[i] as Open;
    if (open.carrier !== carrier) continue;
    if (record !== null && (open.thread !== record.thread || body === "")) continue;
    const near = Math.abs(line.atMs - open.lastMs) <= nearMs;
    const taken = ask(open, body, near, loose && !open.overtaken && (near || open.isRecord));
    if (taken === "no") continue;
    if (taken === "held") holdLine(open, line);
    else take(lane, open, line, world);
    return true;
  }
  return false;
}

function ask(open: Open, body: string, near: boolean, loose: boolean): Taken {
  if (open.reading !== null) {
    const taken = open.reading.take(body, near, loose);
    // more of a record than its traceback knows of
    return taken === "no" && loose && open.isRecord && near ? "held" : taken;
  }
  return loose && open.isRecord ? "value" : "no";
}

function take(lane: Lane, open: Open, line: Line, world: LaneWorld): void {
  takeLine(open, line);
  if (lane.opens.at(-1) !== open) {
    lane.opens.splice(lane.opens.indexOf(open), 1);
    lane.opens.push(open);
  }
  if (open.taken > mostTaken) close(lane, open, world);
}

/** A record whose traceback begins with this line. */
function hostOf(lane: Lane, line: Line): Open | undefined {
  return lane.opens.findLast(
    (open) => open.isRecord && open.carrier === line.prefix.carrier && (open.reading === null || isBare(open)),
  );
}

/** `WARN pool is full`, `[warn] …`: a line that says by itself how bad it is, and is no answer of a database. */
const namesLevel = /^(?:\[\w{3,9}\]|(?:[A-Z]{3,9})(?=[ \t]))/;

/** A bad line right behind the head of a record, and no worse than it: one of its own, unless it has a level's name. */
function isMore(host: Open, line: Line): boolean {
  const rank = levels.indexOf(host.first.prefix.record?.level ?? host.first.level);
  if (host.overtaken || levels.indexOf(line.level) > rank) return false;
  const name = namesLevel.exec(line.prefix.body)?.[0];
  return name === undefined || levelNamed(name.replace(/\W/g, "")) === null;
}

/** `ERROR: …` right behind the head of a record is more of what that says: a database's answer, say. */
function asText(lane: Lane, line: Line): boolean {
  const { record } = line.prefix;
  // nobody quotes a warning
  if (record === null || !record.bare || record.level === "warn") return false;
  const host = hostOf(lane, line);
  return host !== undefined && !host.overtaken && !isBareHead(host) && line.atMs - host.lastMs <= nearMs;
}

const isBareHead = (open: Open): boolean => open.first.prefix.record?.bare === true;

/** Its reading has nothing but a first line, which was the record's own. */
function isBare(open: Open): boolean {
  return open.lines.length === 1 && open.reading?.format === "text";
}

/** A record that takes nothing of the open events: what follows without a head is not theirs any more. */
function overtake(lane: Lane, { prefix }: Line, world: LaneWorld): void {
  for (const open of lane.opens.filter(({ carrier }) => carrier === prefix.carrier)) {
    if (open.isRecord && open.thread === prefix.record?.thread) close(lane, open, world);
    else open.overtaken = true;
  }
}

/** Whether an open event has ended when another begins with `line`. */
function endsWith(open: Open, line: Line): boolean {
  if (open.carrier !== line.prefix.carrier) return false;
  const thread = line.prefix.record?.thread ?? null;
  return open.thread === thread || (thread === null && isComplete(open));
}

/** The line is nobody's. */
function passBy(lane: Lane, world: LaneWorld): void {
  for (let i = lane.opens.length - 1; i >= 0; i--) {
    const open = lane.opens[i] as Open;
    open.strangers++;
    if (open.strangers > mostStrangers[isComplete(open) ? "complete" : "incomplete"]) close(lane, open, world);
  }
}

function beforeOf(world: LaneWorld): Before {
  let lines: readonly string[] | undefined;
  return (n) => {
    lines ??= world.before();
    const line = lines[lines.length - 1 - n];
    return line === undefined ? "" : parsePrefix(plainText(line)).body;
  };
}

/** Characters of a line that formats look at: beyond them it is a value that goes on, or no line for people. */
const mostLooked = 2000;
const colours = /\u001b\[[0-9;:]*[A-Za-z]/g;

/** The beginning of a line, without colours and the carriage return of a terminal. */
export function plainText(line: string): string {
  const begin = line.length > mostLooked ? line.slice(0, mostLooked) : line;
  const text = begin.includes("\u001b") ? begin.replace(colours, "") : begin;
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}
