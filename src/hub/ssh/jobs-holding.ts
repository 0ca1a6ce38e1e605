/** What this hub writes of the jobs that it does, as long as they are its own. */
import type { Clock } from "#src/lib/clock.ts";
import type { Rereading } from "#src/lib/rereading.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Job } from "#src/protocol/job.ts";
import type { JobRecord, JobsStore } from "./jobs-port.ts";
import { type OpenJob, isOver } from "./jobs-work.ts";

/** An end that the store can't take now is tried again after this time. */
const retryMs = 1000;

export type HoldingWorld = {
  readonly store: Pick<JobsStore, "job" | "putJob">;
  readonly write: Rereading["write"];
  readonly clock: Pick<Clock, "after">;
  readonly warn: (message: string) => void;
  /** hears of each change */
  readonly tell: (id: string) => void;
};

export type Holding = {
  /** Writes a new one. */
  readonly add: (job: Job) => Promise<void>;
  /**
   * Changes a job in memory, so that it is seen, and in the store; a disk that is full must not end the work on a host.
   * Never rejects. @returns whether it is in the store
   */
  readonly change: (entry: OpenJob, to: Partial<Job>) => Promise<boolean>;
  /** The same for its end, which is tried until it is in the store or the job is left. */
  readonly finish: (entry: OpenJob, to: Partial<Job>) => Promise<void>;
};

/** Ends what this hub does of a job, with everything as it is. */
export function leave(entry: OpenJob, why: string): void {
  const reason = new Fault("unavailable", why);
  entry.hold.abort(reason);
  entry.control.abort(reason);
}

export const serverRemoved = () => new Fault("not-found", "the server was removed");

export function createHolding({ store, write, clock, warn, tell }: HoldingWorld): Holding {
  // jobs that went with their servers
  const gone = new WeakSet<OpenJob>();

  async function save(job: Job, holder: string | null): Promise<void> {
    const { id, serverId, createdAt } = job;
    const record = { id, serverId, over: isOver(job), createdAtMs: Date.parse(createdAt), body: JSON.stringify(job) };
    await write([id], () => store.putJob(holder === null ? record : { ...record, holder }));
  }

  async function change(entry: OpenJob, to: Partial<Job>): Promise<boolean> {
    if (Object.keys(to).length > 0) {
      entry.job = { ...entry.job, ...to };
      tell(entry.job.id);
    }
    if (entry.hold.signal.aborted && !isOver(entry.job)) return false;
    try {
      await save(entry.job, entry.holder);
      return true;
    } catch (error) {
      const passes = error instanceof Fault && error.code === "unavailable";
      if (passes || (await isHeld(entry))) warn(`job ${entry.job.id} is not on disk as it is now: ${reasonOf(error)}`);
      return false;
    }
  }

  /** Whether the store has the job as this hub's; if not, it is left, or undone when it went with its server. */
  async function isHeld(entry: OpenJob): Promise<boolean> {
    let record: JobRecord | undefined;
    try {
      record = await store.job(entry.job.id);
    } catch {
      // as long as the store can't say anything else
      return true;
    }
    if (record?.holder === entry.holder && !record.over) return true;
    if (record === undefined) {
      gone.add(entry);
      entry.control.abort(serverRemoved());
    } else leave(entry, "another hub has taken the job over");
    return false;
  }

  /** Waits a while, or until the job is left. */
  async function pause({ hold: { signal } }: OpenJob): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(retryMs, resolve);
    const end = () => resolve();
    signal.addEventListener("abort", end);
    await promise;
    signal.removeEventListener("abort", end);
    cancel();
  }

  return {
    add: (job) => save(job, null),
    change,
    async finish(entry, to) {
      let isKept = await change(entry, to);
      while (!isKept && !entry.hold.signal.aborted && !gone.has(entry)) {
        await pause(entry);
        isKept = await change(entry, {});
      }
    },
  };
}
