/** How many error groups of each server are new: first seen, or come back, within a day, and not yet dealt with. */
import { type ReadonlySignal, signal } from "@preact/signals";

import type { ErrorDetail, ErrorGroup, ErrorsPage } from "#src/protocol/error-group.ts";
import { address, get } from "../client.ts";
import { followErrors } from "../errors-feed.ts";
import { now } from "../live.ts";
import { eachFrame } from "../stream.ts";

const dayMs = 86_400_000;
/** Groups a request, and requests: of more groups than that in a day nobody counts which are new. */
const [pageSize, maxPages] = [200, 10];
/** How often what was new becomes old, in milliseconds. */
const againMs = 60_000;
/** A group names its commonest servers; one that names so many may have more, which are asked for this seldom. */
const [maxNamed, wholeMs] = [20, 10_000];

/** A group, and all servers that it is known to have come from. */
type Known = { readonly group: ErrorGroup; readonly servers: ReadonlySet<string> };

const counts = signal<ReadonlyMap<string, number>>(new Map());

/** By id of the server; those without new errors are not in it. */
export const newErrors: ReadonlySignal<ReadonlyMap<string, number>> = counts;

/** Whether nobody has dealt with it, and its first event, or the first after it was resolved, came at `sinceMs` or later. */
export function isNew(group: ErrorGroup, sinceMs: number): boolean {
  if (group.state !== "unresolved" || group.kind === "warning") return false;
  return Date.parse(group.firstSeen) >= sinceMs || Date.parse(group.regressedAt ?? "") >= sinceMs;
}

/** Groups that are new, by server. */
export function countByServer(known: Iterable<Known>, sinceMs: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const { group, servers } of known) {
    if (!isNew(group, sinceMs)) continue;
    for (const id of servers) found.set(id, (found.get(id) ?? 0) + 1);
  }
  return found;
}

/** Counts, and goes on counting. @returns ends it */
export function startNewErrors(): () => void {
  const groups = new Map<string, Known>();
  // those whose servers have just been asked for
  const asked = new Set<string>();
  const ended = new AbortController();
  const since = () => now.peek() - dayMs;

  const show = eachFrame(() => {
    if (ended.signal.aborted) return;
    const found = countByServer(groups.values(), since());
    if (!same(found, counts.peek())) counts.value = found;
  });
  function put(group: ErrorGroup, servers: Iterable<string> = group.servers.map(({ id }) => id)): void {
    const { fingerprint } = group;
    if (!isNew(group, since())) {
      if (groups.delete(fingerprint)) show();
      return;
    }
    groups.set(fingerprint, { group, servers: new Set([...(groups.get(fingerprint)?.servers ?? []), ...servers]) });
    show();
    if (group.servers.length < maxNamed || asked.has(fingerprint)) return;
    asked.add(fingerprint);
    setTimeout(() => asked.delete(fingerprint), wholeMs);
    // not known for now: the next event of the group asks again
    void nameAll(fingerprint).catch(show);
  }

  /** Puts a group with all of its servers. */
  async function nameAll(fingerprint: string): Promise<void> {
    const path = address("/api/errors/:fingerprint", { fingerprint });
    const whole = await get<ErrorDetail>(path, { signal: ended.signal });
    put(
      whole,
      whole.byServer.map(({ id }) => id),
    );
  }

  async function load(): Promise<void> {
    const read: ErrorGroup[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < maxPages; page++) {
      const query = { state: "unresolved", since: new Date(since()).toISOString(), limit: pageSize, cursor };
      const answer: ErrorsPage = await get<ErrorsPage>(address("/api/errors", {}, query), { signal: ended.signal });
      read.push(...answer.groups);
      ({ cursor } = answer);
      if (cursor === null) break;
    }
    const there = new Set(read.map(({ fingerprint }) => fingerprint));
    for (const fingerprint of groups.keys()) if (!there.has(fingerprint)) groups.delete(fingerprint);
    for (const group of read) put(group);
    show();
  }

  const stop = followErrors({
    onGroup: ({ group }) => put(group),
    onGone: ({ fingerprint }) => {
      if (groups.delete(fingerprint)) show();
    },
    // a failed load shows the counts of before; the next connection loads again
    onAgain: () => void load().catch(show),
  });
  const timer = setInterval(show, againMs);
  return () => {
    ended.abort();
    clearInterval(timer);
    stop();
  };
}

function same(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([id, count]) => b.get(id) === count);
}
