/** What happened in the time that charts show: in words, in a colour, and joined where it lies too close together. Pure. */
import type { MetricMark } from "#src/protocol/metrics.ts";
import { address } from "../client.ts";

/** A mark and the place where it is told in full. */
export type Mark = MetricMark & { readonly href?: string };

export type MarkTone = "bad" | "warn" | "quiet";

const kinds: Readonly<Record<string, readonly [tone: MarkTone, words: string]>> = {
  "script.crashed": ["bad", "crashed"],
  "script.gave-up": ["bad", "given up"],
  "container.died": ["warn", "ended"],
  "container.oom": ["warn", "lost a process to its memory limit"],
  "container.unhealthy": ["warn", "unhealthy"],
  "container.healthy": ["quiet", "healthy again"],
  "agent.started": ["quiet", "agent started"],
  "agent.stopped": ["quiet", "agent stopped"],
  "agent.silent": ["warn", "agent silent"],
  "agent.back": ["quiet", "agent back"],
  "logs.dropped": ["warn", "log lines dropped"],
  "watch.failed": ["bad", "can't be watched over SSH"],
  "watch.restored": ["quiet", "watched over SSH again"],
  "deploy.done": ["quiet", "agent deployed"],
  "deploy.failed": ["bad", "deployment failed"],
  "deploy.cancelled": ["quiet", "deployment cancelled"],
  "uninstall.done": ["quiet", "agent taken off"],
  "uninstall.failed": ["bad", "taking the agent off failed"],
  "uninstall.cancelled": ["quiet", "taking the agent off was cancelled"],
};

export const toneOf = ({ type }: Pick<Mark, "type">): MarkTone => kinds[type]?.[0] ?? "quiet";

/** `mailer crashed`; one that this page does not know goes by its type. */
export function wordsOf({ type, subject }: Pick<Mark, "type" | "subject">): string {
  const words = kinds[type]?.[1] ?? type;
  return subject === null ? words : `${subject} ${words}`;
}

/** Marks that lie together. */
export type Cluster = {
  /** where the first of them is, 0 to 1 */
  readonly share: number;
  /** of the worst */
  readonly tone: MarkTone;
  /** oldest first */
  readonly marks: readonly Mark[];
};

const rank: Readonly<Record<MarkTone, number>> = { bad: 0, warn: 1, quiet: 2 };

/** Joins marks that would lie nearer than `apart` (a share of the stretch) to the first of a cluster; those outside are left out. */
export function joinMarks(marks: readonly Mark[], fromMs: number, toMs: number, apart: number): Cluster[] {
  const placed = marks
    .map((mark) => ({ mark, share: (Date.parse(mark.at) - fromMs) / (toMs - fromMs) }))
    .filter(({ share }) => share >= 0 && share <= 1)
    .sort((a, b) => a.share - b.share);
  const groups: { readonly first: number; readonly marks: Mark[] }[] = [];
  for (const { mark, share } of placed) {
    const open = groups.at(-1);
    if (open !== undefined && share - open.first < apart) open.marks.push(mark);
    else groups.push({ first: share, marks: [mark] });
  }
  return groups.map(({ first, marks }) => ({
    share: first,
    tone: marks.map(toneOf).reduce((worst, tone) => (rank[tone] < rank[worst] ? tone : worst), "quiet"),
    marks,
  }));
}

/** Where marks are told in full: what they name themselves, or the events of their time. */
export function placeOf(serverId: string, marks: readonly Mark[]): string {
  const [first, last] = [marks[0], marks.at(-1)];
  if (first === undefined || last === undefined) return "/events";
  const own = marks.map(({ href }) => href).find((href) => href !== undefined);
  return marks.length === 1 && own !== undefined ? own : momentOf(serverId, first.at, last.at);
}

/** The events of a server from a moment to another, both included. */
export function momentOf(serverId: string, from: string, last: string): string {
  // the end is not part of a stretch
  const to = new Date(Date.parse(last) + 1).toISOString();
  return address("/events", {}, { server: serverId, from, to });
}
