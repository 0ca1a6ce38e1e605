/**
 * What other hubs have changed, plugged into what is kept in memory over the same database: it is read again, soon, some
 * at a time, and nothing that was told is forgotten because the database was away.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { NotTaken } from "#src/lib/rereading.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Provision } from "./provision.ts";
import type { Rooms } from "./rooms.ts";
import type { ChangeKind, Cluster } from "./store/cluster/port.ts";

/** What can't be read now is tried again after this time. */
const retryMs = 500;
/** Reading what was told takes a moment; longer than this, and this hub does not know what the others do. */
const behindMs = 3000;
/** How long somebody is kept waiting for what other hubs may know, and how often that is asked, in milliseconds. */
const catchUpMs = 1000;
const catchUpEveryMs = 100;

/** What keeps something in memory. */
export type Follower = {
  readonly kinds: readonly ChangeKind[];
  /** Reads these again, null: all. Rejects when it can't now. */
  readonly refresh: (ids: readonly string[] | null) => Promise<void>;
};

export type SharingWorld = {
  readonly cluster: Pick<Cluster, "onChanges" | "isMember" | "catchUp">;
  /** in the order in which they are brought up to date */
  readonly followers: readonly Follower[];
  readonly clock: Pick<Clock, "monotonic" | "after">;
  readonly log: { info(message: string): void; warn(message: string): void };
};

export type Sharing = {
  /** Whether this hub knows what the others do, but for a moment. */
  readonly isCurrent: () => boolean;
  /**
   * Resolves once what other hubs had changed before the call is in memory, at the latest after a second. Those who ask
   * within a tenth of a second share one.
   */
  readonly catchUp: () => Promise<void>;
  /** Everything is to be read again. */
  readonly again: () => void;
  readonly close: () => Promise<void>;
};

/** The rooms and what stands over them, those first that others refer to. */
export function followersOf(
  { projects, servers, tokens }: Pick<Rooms, "projects" | "servers" | "tokens">,
  { access, jobs }: Pick<Provision, "access" | "jobs">,
): readonly Follower[] {
  return [
    {
      kinds: ["project"],
      async refresh(ids) {
        // sources and enrolment tokens go with a project, untold
        const within = (ids ?? []).map((id) => ({ sources: projects.sources(id), enrolments: tokens.enrolments(id) }));
        await projects.refresh(ids);
        await projects.refreshSources(within.flatMap(({ sources }) => sources.map(({ id }) => id)));
        await tokens.refresh(within.flatMap(({ enrolments }) => enrolments.map(({ id }) => id)));
      },
    },
    { kinds: ["source"], refresh: (ids) => projects.refreshSources(ids) },
    { kinds: ["token"], refresh: (ids) => tokens.refresh(ids) },
    { kinds: ["pending-token"], refresh: (ids) => servers.refreshOffered(ids) },
    { kinds: ["server", "beat"], refresh: (ids) => servers.refresh(ids) },
    { kinds: ["ssh"], refresh: (ids) => access.refresh(ids) },
    { kinds: ["job"], refresh: (ids) => jobs.refresh(ids) },
  ];
}

/**
 * Begins, with reading everything again: what has changed between the first reading and now was told to nobody.
 */
export function startSharing({ cluster, followers, clock, log }: SharingWorld): Sharing {
  const all = followers.map((follower) => ({ ...follower, ids: new Set<string>(), everything: true }));
  let running: Promise<void> | undefined;
  let behindSince: number | undefined;
  let failing = false;
  const life = new AbortController();
  let wake: Cancel | undefined;
  let catching: Promise<void> | undefined;

  const isDue = ({ ids, everything }: (typeof all)[number]) => everything || ids.size > 0;

  /** @returns whether everything was read that was told */
  async function pass(): Promise<boolean> {
    let done = true;
    for (const one of all.filter(isDue)) {
      if (life.signal.aborted) return true;
      const { ids, everything } = one;
      one.ids = new Set();
      one.everything = false;
      try {
        await one.refresh(everything ? null : [...ids]);
      } catch (error) {
        if (error instanceof NotTaken) {
          // the rest is as it should be, and reading it again would change nothing
          log.warn(`something that another hub has written is of no use here: ${reasonOf(error)}`);
          continue;
        }
        one.everything ||= everything;
        for (const id of ids) one.ids.add(id);
        if (!failing) log.warn(`what other hubs have changed can't be read now, it is tried again: ${reasonOf(error)}`);
        failing = true;
        done = false;
      }
    }
    return done;
  }

  async function run(): Promise<void> {
    while (!life.signal.aborted && all.some(isDue)) {
      behindSince ??= clock.monotonic();
      if (await pass()) {
        if (failing) log.info("what other hubs have changed is read again");
        failing = false;
      } else await pause();
      if (!failing) behindSince = undefined;
    }
    running = undefined;
  }

  async function pause(): Promise<void> {
    if (life.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(retryMs, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });
    wake = undefined;
  }

  function look(): void {
    if (running !== undefined || life.signal.aborted) return;
    running = run();
    keep(running, (error) => log.warn(`following other hubs broke off: ${reasonOf(error)}`));
  }

  function again(): void {
    for (const one of all) one.everything = true;
    look();
  }

  function pauseFor(ms: number): Promise<void> {
    return new Promise((resolve) => void clock.after(ms, resolve));
  }

  async function catchUp(): Promise<void> {
    // whoever asks meanwhile shares what begins after it
    await pauseFor(catchUpEveryMs);
    catching = undefined;
    await cluster.catchUp();
    await running;
  }

  const cancel = cluster.onChanges((changes) => {
    if (changes === null) return again();
    for (const { kind, id } of changes) for (const one of all) if (one.kinds.includes(kind)) one.ids.add(id);
    look();
  });
  look();

  return {
    isCurrent: () => cluster.isMember() && (behindSince === undefined || clock.monotonic() - behindSince <= behindMs),
    again,
    async catchUp() {
      catching ??= catchUp();
      await Promise.race([catching, pauseFor(catchUpMs)]);
    },
    async close() {
      life.abort();
      cancel();
      wake?.();
      await running;
    },
  };
}
