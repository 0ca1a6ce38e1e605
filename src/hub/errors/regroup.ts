/**
 * Groups made anew from the lines that are stored, by the rules of this version, with what people have decided kept. The
 * lines are read once more beside the reading that goes on; once everything is read, the new groups take the place of the
 * old ones in one step, and its reading is the one that goes on.
 */
import type { Clock } from "#src/lib/clock.ts";
import type { ErrorEvent } from "./event.ts";
import { type Place, type Reading, createReading } from "./follow-reading.ts";
import { type Planned, planRegroup } from "./group-regroup.ts";
import { createTally } from "./group-tally.ts";
import type { ArrivalLog, ErrorStore, MakeAssembly, Owners, StagingStore } from "./port.ts";
import { createTemplates } from "./template.ts";

const hourMs = 3_600_000;

export type RegroupProgress = {
  /** lines read, and lines that there are to read */
  readonly lines: number;
  readonly ofLines: number;
  readonly events: number;
};

export type RegroupReport = RegroupProgress & {
  /** groups that did not exist before, and groups that are part of another one now */
  readonly made: number;
  readonly absorbed: number;
};

export type RegroupWorld = {
  readonly log: ArrivalLog;
  readonly clock: Clock;
  readonly workedMs: () => number;
  readonly makeAssembly: MakeAssembly;
  readonly owners: Owners;
  readonly store: ErrorStore;
  readonly staging: StagingStore;
  readonly next: { readonly group: () => number; readonly variant: () => number };
  /** Counts an event of the reading after it has taken over. */
  readonly count: (event: ErrorEvent) => void;
  readonly ready: () => boolean;
  readonly progressed: () => void;
  readonly unsaved: () => boolean;
  /**
   * Called right before the change: the other reading ends, and nothing may wait to be written. Throws when it can't.
   * @returns where the other reading was
   */
  readonly beforeChange: () => Place;
  /** Called when it could not be made after all. */
  readonly unchanged: () => void;
  /** Called right after it, with the reading that goes on. */
  readonly changed: (reading: Reading) => void;
  /** Up to where agents' events are done with. */
  readonly eventsDone: () => number;
  readonly warn: (message: string) => void;
  readonly onProgress: (progress: RegroupProgress) => void;
};

/** Reads everything of `sinceMs` and later. Rejects when it can't, or `signal` says so; then nothing has changed. */
export async function regroup(world: RegroupWorld, sinceMs: number, signal: AbortSignal): Promise<RegroupReport> {
  signal.throwIfAborted();
  const { log, store, staging, owners } = world;
  const firstHour = Math.ceil(sinceMs / hourMs);
  const { after, oldestMs } = await log.extentSince(firstHour * hourMs);
  signal.throwIfAborted();
  const ofLines = log.head() - after;
  const tally = createTally(staging.store, createTemplates());
  const places = store.samplePlaces();
  const votes = new Map<number, Map<string, number>>();
  const found: number[] = [];
  let events = 0;
  let ending = false;
  let changed = false;

  function count(event: ErrorEvent): void {
    if (changed) {
      world.count(event);
      return;
    }
    const project = owners.projectOf(event.serverId);
    if (project === null || Math.floor(event.atMs / hourMs) < firstHour) return;
    const { fingerprint, variant } = tally.add(project, event);
    events++;
    const place = places.get(event.firstPosition);
    if (place === undefined) return;
    found.push(event.firstPosition);
    const key = `${fingerprint} ${variant}`;
    const own = votes.get(place) ?? new Map<string, number>();
    votes.set(place, own.set(key, (own.get(key) ?? 0) + 1));
  }

  const { promise: caughtUp, resolve, reject } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => reject(signal.reason));
  const reading = createReading(
    {
      ...world,
      count,
      ready() {
        if (changed) return world.ready();
        if (tally.full()) tally.write(null);
        return true;
      },
      progressed() {
        if (changed) world.progressed();
        else world.onProgress({ lines: Math.max(0, reading.position() - after), ofLines, events });
      },
      unsaved: () => changed && world.unsaved(),
      caughtUp() {
        // once is enough: falling behind later is not the end of anything
        if (!changed) resolve();
      },
    },
    { after, origins: [], spans: [], events: 0 },
  );
  try {
    reading.start();
    await caughtUp;
    // from here on nothing else has its turn until the new groups are there
    ending = true;
    // what was counted already must be found to be counted in what takes its place
    reading.endAs(world.beforeChange());
    tally.write(null);
    const made = staging.store.map();
    const variantIds = new Map(made.variants.map((row) => [`${row.fingerprint} ${row.variant}`, row.id]));
    const plan: Planned = planRegroup({
      old: store.map(),
      made,
      votes: byIds(votes, variantIds, made.variants),
      nextGroup: world.next.group,
      nextVariant: world.next.variant,
    });
    store.takeOver({
      ...plan,
      staging: staging.file,
      fromHours: fromHours(oldestMs, firstHour),
      found,
      resume: JSON.stringify(reading.save(world.eventsDone())),
    });
    changed = true;
    world.changed(reading);
    const { groups, absorbed } = plan;
    const lines = Math.max(0, reading.position() - after);
    return { lines, ofLines: lines, events, made: groups.length, absorbed: absorbed.length };
  } catch (error) {
    if (!changed) reading.stop();
    if (!changed && ending) world.unchanged();
    throw error;
  }
}

/** Of each server, the first hour whose lines are all there; the one in which its oldest line lies may have lost some. */
function fromHours(oldestMs: ReadonlyMap<string, number>, firstHour: number): ReadonlyMap<string, number> {
  return new Map([...oldestMs].map(([server, ms]) => [server, Math.max(firstHour, Math.floor(ms / hourMs))]));
}

/** Votes by the ids of the staging store; variants beyond the most of a fingerprint are one there. */
function byIds(
  votes: ReadonlyMap<number, ReadonlyMap<string, number>>,
  ids: ReadonlyMap<string, number>,
  variants: readonly { readonly id: number; readonly fingerprint: string }[],
): ReadonlyMap<number, ReadonlyMap<number, number>> {
  const some = new Map(variants.map(({ fingerprint, id }) => [fingerprint, id]));
  return new Map(
    [...votes].map(([place, own]) => {
      const sums = new Map<number, number>();
      for (const [key, count] of own) {
        const fingerprint = key.slice(0, key.indexOf(" "));
        const id = ids.get(key) ?? ids.get(`${fingerprint} `) ?? some.get(fingerprint);
        if (id !== undefined) sums.set(id, (sums.get(id) ?? 0) + count);
      }
      return [place, sums];
    }),
  );
}
