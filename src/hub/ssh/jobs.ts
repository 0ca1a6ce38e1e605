/**
 * Background work on servers: one job at a time for each server, several servers side by side, every step with what it
 * said. Jobs are kept, so that a hub that is started again takes up what it was about; a step must therefore be safe to
 * begin again. Of several hubs one does a job: the one that was asked, if it can, else whichever is free; what a hub that
 * is gone has left, others take up. A cancelled or failed job undoes what it has done.
 */
import { createBatch } from "#src/lib/batch.ts";
import { type Cancel, type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { createRereading } from "#src/lib/rereading.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Job, type JobKind, type JobStep, job as jobSchema } from "#src/protocol/job.ts";
import { check } from "#src/protocol/schema.ts";
import { createHolding, leave, serverRemoved } from "./jobs-holding.ts";
import type { JobPlan, JobRecord, Jobs, JobsCluster, JobsStore } from "./jobs-port.ts";
import { type OpenJob, isOver, waitingStep, workOn } from "./jobs-work.ts";

/** Hosts that are worked on at once: each may be sent a program of 110 MB. */
const maxRunning = 8;
/** Jobs of one server that may wait. */
const maxWaiting = 4;
/** A job that another hub was asked for is that hub's for so long; then whoever has room takes it. */
const courtesyMs = 2000;
/** How often it is looked whether this hub still has what it does, and whether there is something to do. */
const lookEveryMs = 500;
/** How often it is looked whether the hubs that do jobs are still there; they are told of, too. */
const lookForGoneMs = 5000;
/** A job that could not be begun, or was left, is not reached for again before. */
const standBackMs = 1000;

export type { JobOrder, JobPlan, JobRecord, JobView, Jobs, JobsCluster, JobsStore } from "./jobs-port.ts";

export type JobsWorld = {
  readonly store: JobsStore;
  readonly clock: Clock;
  readonly plan: Readonly<Record<JobKind, (job: Job) => JobPlan>>;
  readonly stepNames: Readonly<Record<JobKind, readonly string[]>>;
  readonly warn: (message: string) => void;
  /** left out: this hub is alone */
  readonly cluster?: JobsCluster;
  /** What a step says reaches the other hubs within this time, milliseconds; left out: with the step's end. */
  readonly shareWithinMs?: number;
};

export function createJobs(world: JobsWorld): Jobs {
  const { store, clock, plan, stepNames, warn, cluster = createAlone(), shareWithinMs } = world;
  const open = new Map<string, OpenJob>();
  const listeners = new Set<(id: string) => void>();
  // what others have left is begun only when this hub is ready for it
  let ready = false;
  let closed = false;
  let cancelLook: Cancel | undefined;
  let lookedForGoneAt = Number.NEGATIVE_INFINITY;
  const now = () => timestamp(clock.now());
  const failed = (error: unknown) => {
    if (!closed) warn(`jobs could not be looked after, it is tried again: ${reasonOf(error)}`);
  };
  const cancelGone = cluster.onGone((hub) => keep(takeFrom(hub), failed));

  const rereading = createRereading<JobRecord>({
    clock,
    read: async (ids) => new Map((await store.openJobs(ids ?? undefined)).map((record) => [record.id, record])),
    known: () => open.keys(),
    take,
  });
  const { add, change, finish } = createHolding({ store, write: rereading.write, clock, warn, tell });
  const said = createBatch({
    clock,
    withinMs: shareWithinMs ?? 0,
    async write(ids) {
      for (const id of ids) {
        const entry = open.get(id);
        if (entry?.running !== undefined) await change(entry, {});
      }
    },
    failed,
  });

  function tell(id: string): void {
    for (const listener of listeners) listener(id);
  }

  function enter(job: Job, holder: string | null, notBeforeMs: number): void {
    const [control, hold] = [new AbortController(), new AbortController()];
    open.set(job.id, { job, holder, notBeforeMs, control, hold, running: undefined });
  }

  /** Takes what was read; undefined: it is over, or gone with its server. */
  function take(id: string, record: JobRecord | undefined): void {
    const entry = open.get(id);
    if (entry?.running !== undefined) {
      if (record === undefined) return;
      if (record.holder !== entry.holder) leave(entry, "another hub has taken the job over");
      else if (record.cancelled && !isOver(entry.job)) abort(entry);
      return;
    }
    if (record === undefined) {
      if (open.delete(id)) tell(id);
    } else if (entry === undefined) {
      enter(read(record), record.holder, clock.monotonic() + courtesyMs);
      tell(id);
    } else {
      // left by a hub that is gone: whoever is first
      if (entry.holder !== null && record.holder === null) entry.notBeforeMs = clock.monotonic();
      entry.holder = record.holder;
      entry.job = read(record);
      tell(id);
    }
    pump();
  }

  /** Starts what may run: the oldest job of each server, as long as there is room. */
  function pump(): void {
    lookLater();
    if (closed || !ready || !cluster.isMember()) return;
    const me = cluster.hubId();
    const isTaken = ({ running, holder }: OpenJob) => running !== undefined || (holder !== null && holder !== me);
    const all = [...open.values()].sort(byAge);
    const servers = new Set(all.filter(isTaken).map(({ job }) => job.serverId));
    let running = all.filter((entry) => entry.running !== undefined).length;
    for (const entry of all) {
      const { serverId } = entry.job;
      if (servers.has(serverId)) continue;
      servers.add(serverId);
      if (running >= maxRunning || clock.monotonic() < entry.notBeforeMs) continue;
      running++;
      entry.running = begin(entry, me);
      keep(entry.running, (error) => warn(`job ${entry.job.id} broke off: ${reasonOf(error)}`));
    }
  }

  async function begin(entry: OpenJob, me: string): Promise<void> {
    const { id } = entry.job;
    try {
      if (await claim(entry, me)) {
        await workOn(entry, {
          plan: (job) => plan[job.kind](job),
          change: async (one, to) => void (await change(one, to)),
          finish,
          said(one) {
            tell(one.job.id);
            if (shareWithinMs !== undefined) said.add(one.job.id);
          },
          now,
        });
      }
    } finally {
      entry.running = undefined;
      said.drop(id);
      if (isOver(entry.job) && !entry.hold.signal.aborted) open.delete(id);
      else if (!closed) {
        entry.notBeforeMs = clock.monotonic() + standBackMs;
        if (entry.hold.signal.aborted) [entry.control, entry.hold] = [new AbortController(), new AbortController()];
        keep(rereading.refresh([id]), failed);
      }
      tell(id);
      pump();
    }
  }

  /** Takes a job for this hub; what was known of it is what the store says then. */
  async function claim(entry: OpenJob, me: string): Promise<boolean> {
    const { id } = entry.job;
    try {
      return await rereading.write([id], async () => {
        if (!(await store.claimJob(id, me))) return false;
        const record = await store.job(id);
        if (record === undefined || record.over) return false;
        entry.holder = me;
        const job = read(record);
        // only a job that is to end has a problem and is not over
        if (record.cancelled || job.problem !== null) abort(entry, job.problem?.message);
        // what a step of before has said is of no use to its second attempt
        entry.job = { ...job, state: "queued", steps: stepNames[job.kind].map(waitingStep) };
        return true;
      });
    } catch (error) {
      // by a hair: another job of its server is done by another hub
      if (!(error instanceof Fault && error.code === "conflict")) failed(error);
      return false;
    }
  }

  function abort({ control }: OpenJob, message = "the job was cancelled"): void {
    control.abort(new Fault("conflict", message));
  }

  function lookLater(): void {
    if (closed || open.size === 0) return;
    cancelLook ??= clock.after(lookEveryMs, () => {
      cancelLook = undefined;
      keep(look(), failed);
    });
  }

  async function look(): Promise<void> {
    if (closed) return;
    const me = cluster.hubId();
    for (const entry of open.values()) {
      if (entry.running !== undefined && entry.holder !== null && (entry.holder !== me || !cluster.isMember())) {
        leave(entry, "this hub has lost touch with the others, one of which takes the job up");
      }
    }
    pump();
    if (clock.monotonic() - lookedForGoneAt < lookForGoneMs) return;
    lookedForGoneAt = clock.monotonic();
    await takeFromGone();
  }

  /** What hubs that are gone have left is nobody's. */
  async function takeFromGone(): Promise<void> {
    const me = cluster.hubId();
    const holders = new Set([...open.values()].flatMap(({ holder }) => (holder === null ? [] : holder)));
    for (const hub of holders) if (hub !== me && (await cluster.isGone(hub))) await takeFrom(hub);
  }

  async function takeFrom(hub: string): Promise<void> {
    if (closed) return;
    const released = await store.releaseJobs(hub);
    if (released.length > 0) await rereading.refresh(released);
  }

  /** Puts down that a job that nobody does is cancelled. False: somebody does it by now. */
  async function endWaiting(entry: OpenJob): Promise<boolean> {
    const { id, steps } = entry.job;
    const skipped = steps.map((step): JobStep => ({ ...step, state: "skipped" }));
    const job: Job = { ...entry.job, state: "cancelled", steps: skipped, finishedAt: now() };
    const ended = await rereading.write([id], () => store.endJob({ id, body: JSON.stringify(job) }));
    if (!ended) return false;
    entry.job = job;
    open.delete(id);
    tell(id);
    pump();
    return true;
  }

  return {
    async open() {
      for (const record of await store.openJobs()) {
        if (!open.has(record.id)) enter(read(record), record.holder, clock.monotonic());
      }
      ready = true;
      lookLater();
      await takeFromGone();
      pump();
    },
    async close() {
      closed = true;
      cancelGone();
      cancelLook?.();
      const me = cluster.hubId();
      const holdsAny = [...open.values()].some(({ holder }) => holder === me);
      const running = [...open.values()].flatMap((entry) => {
        leave(entry, "the hub was stopped; it takes the job up again when it is started");
        return entry.running ?? [];
      });
      await Promise.allSettled(running);
      rereading.close();
      if (!holdsAny) return;
      // at once, rather than when this hub counts as gone
      await store.releaseJobs(me).catch((error: unknown) => {
        warn(`the jobs of this hub are taken up once it counts as gone: ${reasonOf(error)}`);
      });
    },
    refresh: rereading.refresh,
    async start(order) {
      const mine = [...open.values()].filter(({ job }) => job.serverId === order.serverId);
      if (mine.length > maxWaiting) {
        throw new Fault("limited", `${mine.length} jobs wait for ${order.hostname} already`, {
          hint: "Wait for them, or cancel some",
        });
      }
      const job: Job = {
        ...order,
        id: crypto.randomUUID(),
        state: "queued",
        createdAt: now(),
        startedAt: null,
        finishedAt: null,
        steps: stepNames[order.kind].map(waitingStep),
        problem: null,
      };
      await add(job);
      enter(job, null, clock.monotonic());
      ready = true;
      pump();
      return job;
    },
    async get(id) {
      const entry = open.get(id);
      if (entry !== undefined) return entry.job;
      const record = await store.job(id);
      return record && read(record);
    },
    async of(serverId) {
      const records = await store.jobsOf(serverId);
      return records.map((record) => open.get(record.id)?.job ?? read(record));
    },
    async cancel(id) {
      // another hub may have been asked for it just now
      if (!open.has(id)) await rereading.refresh([id]);
      const entry = open.get(id);
      if (entry === undefined || isOver(entry.job)) return undefined;
      if (entry.running === undefined && (await endWaiting(entry))) return entry.job;
      const problem = { message: "the job was cancelled", hint: null };
      if (entry.running === undefined) {
        await store.cancelJob(id);
        return { ...entry.job, problem };
      }
      abort(entry);
      // a hub that takes it up must know it, too
      if (entry.job.problem === null) await change(entry, { problem });
      return entry.job;
    },
    busy: (serverId) => [...open.values()].some(({ job }) => job.serverId === serverId && !isOver(job)),
    forget(serverId) {
      for (const [id, { job, control, running }] of open) {
        if (job.serverId !== serverId) continue;
        control.abort(serverRemoved());
        if (running !== undefined) continue;
        open.delete(id);
        tell(id);
      }
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const read = ({ body }: JobRecord): Job => check(jobSchema, JSON.parse(body), "a job in the store");

// of one millisecond: in order of arrival, which a stable sort leaves
const byAge = (one: OpenJob, other: OpenJob): number => Date.parse(one.job.createdAt) - Date.parse(other.job.createdAt);

/** A hub without others: what it did in an earlier life is to be taken up. */
function createAlone(): JobsCluster {
  const id = crypto.randomUUID();
  return {
    hubId: () => id,
    isMember: () => true,
    isGone: async (other) => other !== id,
    onGone: () => () => undefined,
  };
}
