/**
 * Error groups out of the log. Lines become events (assembly), events find their group (fingerprint), and groups are
 * written about twice a second together with how far the log has been read, so that each event is counted once, whenever
 * the hub is killed.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import type { ErrorDecision, ErrorGroup, News } from "#src/protocol/error-group.ts";
import type { GroupRow, PruneLimits } from "#src/protocol/error-rows.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { createCrashReading } from "./crash-reading.ts";
import type { ErrorEvent } from "./event.ts";
import { type Reading, createReading } from "./follow-reading.ts";
import { readResume } from "./follow-resume.ts";
import { keptGroups, keptReleases } from "./group-bounds.ts";
import { atTime } from "./group.ts";
import { type Decided, carryOut, noWrites } from "./group-decisions.ts";
import { type Reads, createReads } from "./group-reads.ts";
import { type Change, createTally } from "./group-tally.ts";
import type { ArrivalLog, ErrorStore, EventLog, MakeAssembly, Owners, StagingStore } from "./port.ts";
import { type RegroupProgress, type RegroupReport, regroup } from "./regroup.ts";
import { createTemplates } from "./template.ts";

/** Between two writes, while events come. */
const writeEveryMs = 500;
/** Before the first write after a pause, so that a burst is written together. */
const gatherMs = 50;
/** How far the log has been read is written this often when there is nothing else to write. */
const saveEveryMs = 5000;
const sayEveryMs = 60_000;
/** Groups that nobody has decided about, and those that somebody has, are forgotten after so long without an event. */
const idleMs = 90 * 86_400_000;
const decidedIdleMs = 400 * 86_400_000;

export type ErrorsWorld = {
  readonly store: ErrorStore;
  readonly log: ArrivalLog;
  readonly events: EventLog;
  readonly makeAssembly: MakeAssembly;
  /** an empty store, whose file goes when it is closed */
  readonly openStaging: () => Promise<StagingStore>;
  readonly owners: Owners;
  readonly clock: Clock;
  /** CPU time of this thread so far, in milliseconds. */
  readonly workedMs: () => number;
  readonly warn: (message: string) => void;
};

/** What is told to those who watch. */
export type Told =
  | { readonly kind: "group"; readonly project: string; readonly fingerprint: string; readonly news: readonly News[] }
  | {
      readonly kind: "gone";
      readonly project: string;
      readonly fingerprint: string;
      readonly mergedInto: string | null;
    }
  /** all groups were made anew, or some were forgotten */
  | { readonly kind: "all" };

export type Errors = Reads & {
  start(): void;
  /** Writes what waits. Works after half a start, and twice. */
  stop(): void;
  /** Ends without writing anything: somebody else goes on from what is written. */
  abandon(): void;
  /** Writes what waits, unless that has just been done, and opens groups again whose time has come. Any reading does it. */
  settle(): void;
  /** Durable when it returns. Throws a Fault `not-found`, `conflict`, `invalid` or `unavailable`. */
  decide(projects: readonly string[], fingerprint: string, decision: ErrorDecision, by: string): ErrorGroup | undefined;
  onChange(listener: (told: Told) => void): Cancel;
  /**
   * Forgets samples that are older than a project's logs, and groups that are idle, or of a project that is not named.
   * @returns groups forgotten
   */
  prune(projects: PruneLimits["projects"]): number;
  /**
   * Groups what was logged at `sinceMs` and later anew by the rules of this version, and keeps decisions. Rejects with a
   * Fault, and has changed nothing then: `conflict` when that is being done already.
   */
  regroup(sinceMs: number, onProgress: (progress: RegroupProgress) => void): Promise<RegroupReport>;
  figures(): { readonly behind: number; readonly events: number };
};

export function createErrors(world: ErrorsWorld): Errors {
  const { store, log, events, owners, clock } = world;
  const shouldSay = createSeldom(clock, sayEveryMs);
  const warn = (message: string) => {
    if (shouldSay(message)) world.warn(message);
  };
  const listeners = new Set<(told: Told) => void>();
  const saved = readResume(store.resume());
  const crashes = createCrashReading({ events, clock, warn, wanted: writeSoon }, saved?.events);
  let tally = createTally(store, createTemplates(store.templates()));
  let counted = 0;
  let savedAt = saved?.after ?? -1;
  let writtenAtMs = Number.NEGATIVE_INFINITY;
  let savedAtMs = clock.monotonic();
  let cancelWrite: Cancel | undefined;
  let running = false;
  let regrouping: AbortController | undefined;

  const sink = {
    log,
    clock,
    workedMs: world.workedMs,
    makeAssembly: world.makeAssembly,
    warn,
    count,
    ready: () => !tally.full() || (write() && !tally.full()),
    progressed() {
      if (tally.waiting()) writeSoon();
      else if (unsaved() && clock.monotonic() - savedAtMs >= saveEveryMs) write();
    },
    unsaved,
  };
  // a hub that did not group errors until now begins with what comes; `regroup` reads what was there
  let reading = createReading(sink, saved);

  function unsaved(): boolean {
    return savedAt < reading.position();
  }

  function count(event: ErrorEvent): void {
    const project = owners.projectOf(event.serverId);
    // of a server that was deleted since
    if (project === null) return;
    crashes.error(event, tally.add(project, event));
    counted++;
  }

  function writeSoon(): void {
    if (cancelWrite !== undefined || !running) return;
    const waitMs = Math.max(gatherMs, writtenAtMs + writeEveryMs - clock.monotonic());
    cancelWrite = clock.after(waitMs, write);
  }

  /** Writes what waits, and what it joins. @returns whether nothing waits any more */
  function write(): boolean {
    cancelWrite?.();
    cancelWrite = undefined;
    writtenAtMs = clock.monotonic();
    try {
      const first = writeTally();
      // a crash is joined to a group that is written
      for (const { crash, fingerprint, variant } of crashes.joined()) {
        const found = store.find(fingerprint, variant);
        if (found === null) continue;
        tally.crash({ ...crash, group: found.group.id, variant: found.variant?.id ?? 0 });
      }
      tell(tally.waiting() ? [...first, ...writeTally()] : first);
      return true;
    } catch (error) {
      warn(`can't write error groups, they are kept in memory: ${reasonOf(error)}`);
      writeSoon();
      return false;
    }
  }

  function writeTally(): readonly Change[] {
    const state = reading.save(crashes.done());
    const changes = tally.write(JSON.stringify(state));
    savedAt = state.after;
    savedAtMs = clock.monotonic();
    return changes;
  }

  function tell(changes: readonly Change[]): void {
    for (const { group, news } of changes) say({ kind: "group", ...nameOf(group), news });
  }

  const nameOf = ({ project, fingerprint }: GroupRow) => ({ project, fingerprint });

  function say(what: Told): void {
    for (const listener of listeners) listener(what);
  }

  /** Before reading: what waits is written, unless that has just been done, and what has come to its time is opened. */
  function settle(): void {
    if (tally.waiting() && clock.monotonic() - writtenAtMs > gatherMs) write();
    const nowMs = clock.now();
    const due = store.dueGroups(nowMs);
    if (due.length === 0 || tally.waiting()) return;
    const groups = due.map((row) => ({ ...row, ...atTime(row, nowMs), ignoredUntilMs: null }));
    try {
      store.write({ ...noWrites, groups });
    } catch (error) {
      warn(`can't open groups again whose time has come, it is tried again: ${reasonOf(error)}`);
      return;
    }
    tally.forget();
    tell(groups.map((group) => ({ group, news: ["reopened"] })));
  }

  const reads = createReads({ store, nowMs: () => clock.now(), nameOf: owners.nameOf, settle });

  // when groups that were made anew take the place of those that are there
  const change = {
    next: { group: () => tally.next.group(), variant: () => tally.next.variant() },
    eventsDone: crashes.done,
    beforeChange() {
      reading.countTold();
      if (!write()) throw new Fault("unavailable", "the error groups can't be written", { hint: "See the hub's log" });
      reading.stop();
      return reading.place();
    },
    unchanged() {
      if (!running) return;
      reading = createReading(sink, readResume(store.resume()));
      reading.start();
    },
    changed(other: Reading) {
      reading = other;
      tally = createTally(store, createTemplates(store.templates()));
      say({ kind: "all" });
    },
  };

  return {
    start() {
      running = true;
      // where it began must be known, should the hub be killed before anything is found
      if (saved === null) write();
      crashes.start();
      reading.start();
    },
    stop() {
      if (!running) return;
      regrouping?.abort(new Fault("unavailable", "the hub stops"));
      reading.stop();
      crashes.stop();
      reading.countTold();
      write();
      running = false;
      cancelWrite?.();
    },
    abandon() {
      if (!running) return;
      running = false;
      regrouping?.abort(new Fault("unavailable", "another hub groups errors now"));
      reading.stop();
      crashes.stop();
      cancelWrite?.();
    },
    settle,
    ...reads.door,
    decide(projects, fingerprint, decision, by) {
      if (tally.waiting() && !write()) {
        throw new Fault("unavailable", "the error groups can't be written", { hint: "See the hub's log" });
      }
      const row = reads.find(projects, fingerprint);
      if (row === undefined) return undefined;
      const maySee = (group: GroupRow) => projects.includes(group.project);
      const decided = carryOut(row, decision, { store, nextGroup: tally.next.group, nowMs: clock.now(), by, maySee });
      tally.forget();
      tellDecided(decided);
      return reads.view([decided.group])[0];
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    prune(projects) {
      if (tally.waiting() && !write()) return 0;
      const nowMs = clock.now();
      const idle = { idleSinceMs: nowMs - idleMs, decidedIdleSinceMs: nowMs - decidedIdleMs };
      const limits = { projects, ...idle, keepGroups: keptGroups, keepReleases: keptReleases };
      const { groups } = store.prune(limits);
      tally.forget();
      if (groups > 0) say({ kind: "all" });
      return groups;
    },
    async regroup(sinceMs, onProgress) {
      if (regrouping !== undefined) {
        throw new Fault("conflict", "errors are being grouped anew already", { hint: "Wait until that is done" });
      }
      const stop = (regrouping = new AbortController());
      try {
        const staging = await world.openStaging();
        try {
          return await regroup({ ...sink, ...change, store, owners, staging, onProgress }, sinceMs, stop.signal);
        } finally {
          staging.close();
        }
      } finally {
        regrouping = undefined;
      }
    },
    figures: () => ({ behind: Math.max(0, log.head() - reading.position()), events: counted }),
  };

  function tellDecided({ group, others, gone }: Decided): void {
    if (gone !== null) {
      say({ kind: "gone", project: group.project, fingerprint: gone, mergedInto: group.fingerprint });
    }
    tell([group, ...others].map((row) => ({ group: row, news: ["decided"] })));
  }
}
