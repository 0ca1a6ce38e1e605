/**
 * From where lines are read again after a restart, and which of the events found then have been counted before. Events
 * of several streams overlap, so that the lowest line of an event that is still open lies before the lines of events that
 * are counted already: these are remembered by their first and last line. Reading begins somewhat earlier, so that an
 * event finds the lines before it; where it begins within a counted event, what is found in the rest of that is none.
 */
import { z } from "#src/protocol/schema.ts";
import type { ErrorEvent } from "./event.ts";

/** Lines that are read once more for what comes after them. */
const linesBefore = 2000;
/** Spans that are remembered: a few seconds of a flood. Beyond them an event that is open for long may lose its head. */
const maxSpans = 20_000;

const whole = z.number().check(z.nonnegative(), z.multipleOf(1));
const saved = z.object({
  /** all lines up to it are done with */
  after: whole,
  /** whose spans they are, by their number in `spans` */
  origins: z.array(z.string()),
  /** three numbers each: first line, last line, origin */
  spans: z.array(whole),
  /** events of agents up to it are done with */
  events: whole,
});
export type Resume = z.infer<typeof saved>;

type Span = { readonly first: number; readonly last: number; readonly origin: string };

const originOf = ({ serverId, source, stream }: ErrorEvent): string => `${serverId}\u0000${source}\u0000${stream}`;

export type Progress = {
  /** Everything behind it is to be read. */
  readonly readAfter: number;
  /** Whether an event was counted before the restart. */
  readonly isCounted: (event: ErrorEvent) => boolean;
  /** The same of an event that is not told yet and begins there. */
  readonly isCountedAt: (firstPosition: number) => boolean;
  readonly count: (event: ErrorEvent) => void;
  /** What to save: `position` is that of the last line that was read, `openFrom` as the assembly says. */
  readonly save: (position: number, openFrom: number | null, events: number) => Resume;
};

/**
 * @param head of the log: where a hub that has saved nothing begins; what was saved beyond it is of a log that is no
 * longer there, such as before a restore
 */
export function createProgress(from: Resume | null, head: number): Progress {
  let spans: Span[] = from === null ? [] : readSpans(from).filter(({ last }) => last <= head);
  const done = Math.min(from?.after ?? head, head);
  const counted = new Set(spans.map(({ first }) => first));
  const halves = spans.filter(({ first }) => first <= done);
  const newest = spans.reduce((highest, { last }) => Math.max(highest, last), done);
  // it never goes back
  let floor = done;

  const isCountedAt = (position: number): boolean => position <= done || counted.has(position);

  return {
    readAfter: Math.max(0, done - linesBefore),
    isCounted(event) {
      const { firstPosition } = event;
      if (firstPosition > newest) return false;
      if (isCountedAt(firstPosition)) return true;
      const origin = originOf(event);
      return halves.some((half) => half.origin === origin && half.first < firstPosition && firstPosition <= half.last);
    },
    isCountedAt,
    count(event) {
      spans.push({ first: event.firstPosition, last: event.lastPosition, origin: originOf(event) });
      if (spans.length <= 2 * maxSpans) return;
      for (const { last } of spans.slice(0, maxSpans)) floor = Math.max(floor, last);
      spans = spans.slice(maxSpans);
    },
    save(position, openFrom, events) {
      const after = Math.max(floor, openFrom === null ? position : Math.min(position, openFrom - 1));
      spans = spans.filter(({ last }) => last > after);
      return writeResume(after, spans, events);
    },
  };
}

function writeResume(after: number, spans: readonly Span[], events: number): Resume {
  const origins: string[] = [];
  const numbers = new Map<string, number>();
  const flat: number[] = [];
  for (const { first, last, origin } of spans) {
    let number = numbers.get(origin);
    if (number === undefined) {
      number = origins.push(origin) - 1;
      numbers.set(origin, number);
    }
    flat.push(first, last, number);
  }
  return { after, origins, spans: flat, events };
}

function readSpans({ spans, origins }: Resume): Span[] {
  return Array.from({ length: Math.floor(spans.length / 3) }, (_, i) => ({
    first: spans[3 * i] ?? 0,
    last: spans[3 * i + 1] ?? 0,
    origin: origins[spans[3 * i + 2] ?? 0] ?? "",
  }));
}

/** What was saved. null: nothing, or not by us. */
export function readResume(text: string | null): Resume | null {
  if (text === null) return null;
  try {
    return saved.parse(JSON.parse(text));
  } catch {
    // of another Orion: then reading begins with what comes
    return null;
  }
}
