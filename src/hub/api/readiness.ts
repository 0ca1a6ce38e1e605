/**
 * Whether the hub can work: what it needs is asked, never longer than a moment, and not again for every one who asks. The
 * texts name no addresses, since strangers may read them.
 */
import type { Clock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";

/** A load balancer waits no longer for an answer. */
const withinMs = 2000;
/** What answers later than this is told. */
const slowMs = 1000;
/** An answer is good for so long. */
const keptMs = 1000;

/** Something the hub needs. */
export type Probe = {
  /** as it stands in messages: `ClickHouse` */
  readonly name: string;
  /** Rejects, or never answers, when it can't be used. */
  readonly ask: () => Promise<unknown>;
  /**
   * nothing can be stored when it has been away for longer; null: the hub takes what comes all the same, or those who
   * send it keep it
   */
  readonly graceMs: number | null;
};

/** The probe of a store that says whether it answers. */
export function probeOf(name: string, ready: () => Promise<boolean>, graceMs: number | null): Probe {
  return {
    name,
    graceMs,
    async ask() {
      if (!(await ready())) throw new Fault("unavailable", `${name} does not answer`);
    },
  };
}

export type Readiness = {
  /** what a person should see to */
  readonly problems: readonly string[];
  /** why nothing can be stored; null: it can */
  readonly down: string | null;
};

export type ReadinessWorld = {
  readonly probes: readonly Probe[];
  /** what else a person should see to, known without asking anybody */
  readonly notices: () => readonly string[];
  readonly clock: Pick<Clock, "monotonic" | "after">;
};

export type CheckReadiness = () => Promise<Readiness>;

export function createReadiness({ probes, notices, clock }: ReadinessWorld): CheckReadiness {
  const checks = probes.map((probe) => createCheck(probe, clock));
  return async () => {
    const found = await Promise.all(checks.map((check) => check()));
    return {
      problems: [...found.flatMap(({ problem }) => problem ?? []), ...notices()],
      down: found.find(({ isDown }) => isDown)?.problem ?? null,
    };
  };
}

type Found = { readonly problem: string | null; readonly isDown: boolean };

function createCheck({ name, ask, graceMs }: Probe, clock: ReadinessWorld["clock"]): () => Promise<Found> {
  let pending: { readonly sinceMs: number; readonly answer: Promise<boolean> } | undefined;
  let kept: { readonly untilMs: number; readonly found: Found } | undefined;
  let answeredMs = clock.monotonic();

  async function answerOf(): Promise<boolean> {
    try {
      await ask();
      answeredMs = clock.monotonic();
      return true;
    } catch {
      // whoever uses it says why, in the hub's log
      return false;
    } finally {
      pending = undefined;
    }
  }

  /** null: not yet, and it has had its time. */
  async function waitFor({ sinceMs, answer }: NonNullable<typeof pending>): Promise<boolean | null> {
    const leftMs = sinceMs + withinMs - clock.monotonic();
    if (leftMs <= 0) return null;
    const late = Promise.withResolvers<null>();
    const cancel = clock.after(leftMs, () => late.resolve(null));
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      cancel();
    }
  }

  function judge(isThere: boolean | null, tookMs: number): Found {
    if (isThere === true) {
      const seconds = (tookMs / 1000).toFixed(1);
      return { problem: tookMs < slowMs ? null : `${name} is slow: it answered after ${seconds} s`, isDown: false };
    }
    const isDown = graceMs !== null && clock.monotonic() - answeredMs >= graceMs;
    const what = isThere === null ? `${name} does not answer` : `${name} can't be used`;
    return { problem: isDown ? `${what}: nothing can be stored` : what, isDown };
  }

  return async () => {
    if (kept !== undefined && clock.monotonic() < kept.untilMs) return kept.found;
    // one that hangs is not asked again by each who wants to know
    pending ??= { sinceMs: clock.monotonic(), answer: answerOf() };
    const { sinceMs } = pending;
    const isThere = await waitFor(pending);
    const now = clock.monotonic();
    const found = judge(isThere, now - sinceMs);
    kept = { untilMs: now + keptMs, found };
    return found;
  };
}
