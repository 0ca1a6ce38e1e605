/** What becomes of a group when events come or people decide: pure, every change is a new value. */
import { isAtLeast } from "./group-release.ts";

export type GroupState = "unresolved" | "resolved" | "ignored";

/** What people have decided about a group, and what became of it. Times in milliseconds since the epoch. */
export type Standing = {
  readonly state: GroupState;
  readonly decidedAtMs: number | null;
  readonly decidedBy: string | null;
  readonly resolvedIn: string | null;
  readonly ignoredUntilMs: number | null;
  /** the count of the group at which it is no longer ignored */
  readonly ignoredUntilCount: number | null;
  readonly regressedAtMs: number | null;
};

export const fresh: Standing = {
  state: "unresolved",
  decidedAtMs: null,
  decidedBy: null,
  resolvedIn: null,
  ignoredUntilMs: null,
  ignoredUntilCount: null,
  regressedAtMs: null,
};

export type Decision =
  | { readonly action: "resolve"; readonly release?: string | undefined }
  | { readonly action: "ignore"; readonly count?: number | undefined; readonly untilMs?: number | undefined }
  | { readonly action: "reopen" };

/** The standing after somebody (`by`) decided, with `count` events in the group so far. */
export function decide(decision: Decision, by: string, atMs: number, count: number): Standing {
  const decided = { ...fresh, decidedAtMs: atMs, decidedBy: by };
  switch (decision.action) {
    case "resolve":
      return { ...decided, state: "resolved", resolvedIn: decision.release ?? null };
    case "ignore":
      return {
        ...decided,
        state: "ignored",
        ignoredUntilMs: decision.untilMs ?? null,
        ignoredUntilCount: decision.count === undefined ? null : count + decision.count,
      };
    case "reopen":
      return decided;
  }
}

/** An event as far as it can change a standing; `count` is that of the group with it. */
export type Seen = { readonly atMs: number; readonly release: string | null; readonly count: number };

/** When a release of the project was first seen, null: never. */
export type FirstSeen = (release: string) => number | null;

/** The standing after an event; the same object when nothing changes. */
export function afterEvent(standing: Standing, seen: Seen, firstSeen: FirstSeen): Standing {
  if (standing.state === "resolved" && isRegression(standing, seen, firstSeen)) {
    return { ...standing, state: "unresolved", regressedAtMs: seen.atMs };
  }
  const { ignoredUntilCount } = standing;
  if (standing.state === "ignored" && ignoredUntilCount !== null && seen.count >= ignoredUntilCount) {
    return reopened(standing);
  }
  return standing;
}

/** The standing at a time: what was ignored until then is no longer. */
export function atTime(standing: Standing, nowMs: number): Standing {
  const { state, ignoredUntilMs } = standing;
  return state === "ignored" && ignoredUntilMs !== null && ignoredUntilMs <= nowMs ? reopened(standing) : standing;
}

const reopened = (standing: Standing): Standing => ({
  ...standing,
  state: "unresolved",
  ignoredUntilMs: null,
  ignoredUntilCount: null,
});

/**
 * Whether what was resolved has come back. Resolved now: any event that happened later. Resolved in a release: an event
 * of that release or a later one; older ones may go on failing, and an event that doesn't say its release says nothing.
 */
function isRegression({ resolvedIn, decidedAtMs }: Standing, { atMs, release }: Seen, firstSeen: FirstSeen): boolean {
  if (resolvedIn === null) return decidedAtMs === null || atMs > decidedAtMs;
  return release !== null && isAtLeast(release, resolvedIn, firstSeen);
}
