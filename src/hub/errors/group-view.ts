/** Groups as people see them. */
import { timestamp } from "#src/lib/clock.ts";
import type { ErrorCrash, ErrorDetail, ErrorGroup, ErrorSample, Explanation } from "#src/protocol/error-group.ts";
import type { Breakdown, CrashRow, CrashSummary, GroupRow, Tally } from "#src/protocol/error-rows.ts";

/** Names of each kind that a list shows. */
const maxNames = 20;
/** And the page of one group. */
const maxTallies = 200;
/** Hours of a sparkline. */
export const sparkHours = 24;
const hourMs = 3_600_000;

type NameOf = (origin: string) => string;

const orNull = (ms: number | null): string | null => (ms === null ? null : timestamp(ms));

export function groupView(row: GroupRow, counts: Breakdown, nowMs: number, nameOf: NameOf): ErrorGroup {
  const named = (tallies: readonly Tally[]) => tallies.slice(0, maxNames).map(({ name }) => name);
  return {
    fingerprint: row.fingerprint,
    project: row.project,
    kind: row.kind,
    level: row.level,
    format: row.format,
    type: row.type,
    value: row.value,
    culprit: row.culprit,
    state: row.state,
    firstSeen: timestamp(row.firstMs),
    lastSeen: timestamp(row.lastMs),
    count: row.count,
    sparkline: sparkline(counts.hours, nowMs),
    sources: named(counts.sources),
    servers: named(counts.servers).map((id) => ({ id, name: nameOf(id) })),
    releases: named(counts.releases),
    crashes: counts.crashes,
    decidedAt: orNull(row.decidedAtMs),
    decidedBy: row.decidedBy,
    resolvedIn: row.resolvedIn,
    ignoredUntil: orNull(row.ignoredUntilMs),
    ignoredFor: row.ignoredUntilCount === null ? null : Math.max(0, row.ignoredUntilCount - row.count),
    regressedAt: orNull(row.regressedAtMs),
  };
}

/** Events of each of the last hours, oldest first, the current one last. */
function sparkline(hours: Breakdown["hours"], nowMs: number): number[] {
  const first = Math.floor(nowMs / hourMs) - sparkHours + 1;
  const line = Array.from({ length: sparkHours }, () => 0);
  for (const { hour, count } of hours) {
    const at = hour - first;
    if (at >= 0 && at < sparkHours) line[at] = count;
  }
  return line;
}

export type DetailParts = {
  readonly row: GroupRow;
  readonly group: ErrorGroup;
  readonly counts: Breakdown;
  readonly merged: readonly string[];
  readonly crashes: readonly CrashRow[];
  readonly crashSummary: readonly CrashSummary[];
  readonly sample: ErrorSample | null;
};

export function detailView(parts: DetailParts, nameOf: NameOf): ErrorDetail {
  const { row, group, counts } = parts;
  const counted = ({ name, count, lastMs }: Tally) => ({ name, count, lastSeen: timestamp(lastMs) });
  const most = (tallies: readonly Tally[]) => tallies.slice(0, maxTallies);
  return {
    ...group,
    // what the room itself has written
    explanation: JSON.parse(row.explanation) as Explanation,
    merged: [...parts.merged],
    hours: counts.hours.map(({ hour, count }) => ({ at: timestamp(hour * hourMs), count })),
    bySource: most(counts.sources).map(counted),
    byServer: most(counts.servers).map((tally) => ({ ...counted(tally), id: tally.name, name: nameOf(tally.name) })),
    byRelease: most(counts.releases).map(counted),
    crashSummary: parts.crashSummary.map(({ how, count, lastMs }) => ({ how, count, lastAt: timestamp(lastMs) })),
    recentCrashes: parts.crashes.map((crash) => crashView(crash, nameOf)),
    sample: parts.sample,
  };
}

function crashView({ event, atMs, server, source, type, how }: CrashRow, nameOf: NameOf): ErrorCrash {
  return { event: String(event), at: timestamp(atMs), server: { id: server, name: nameOf(server) }, source, type, how };
}
