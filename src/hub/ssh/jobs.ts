/**
 * Background work on servers: one job at a time for each server, several servers side by side, every step with what it
 * said. Jobs are kept, so that a hub that is started again takes up what it was about; a step must therefore be safe to
 * begin again. A cancelled or failed job undoes what it has done.
 */
import { type Clock, timestamp } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Job, type JobKind, type JobStep, job as jobSchema } from "#src/protocol/job.ts";
import { check } from "#src/protocol/schema.ts";
import { addOutput } from "./jobs-output.ts";
import type { JobPlan, JobRecord, JobView, Jobs, JobsStore } from "./jobs-port.ts";

/** Hosts that are worked on at once: each may be sent a program of 110 MB. */
const maxRunning = 8;
/** Jobs of one server that may wait. */
const maxWaiting = 4;

export type { JobOrder, JobPlan, JobRecord, JobView, Jobs, JobsStore } from "./jobs-port.ts";

export type JobsWorld = {
  readonly store: JobsStore;
  readonly clock: Clock;
  readonly plan: Readonly<Record<JobKind, (job: Job) => JobPlan>>;
  readonly stepNames: Readonly<Record<JobKind, readonly string[]>>;
  readonly warn: (message: string) => void;
};

type Open = {
  job: Job;
  readonly control: AbortController;
  running: Promise<void> | undefined;
};

const waiting = (name: string): JobStep => ({
  name,
  state: "waiting",
  startedAt: null,
  finishedAt: null,
  output: "",
  omitted: 0,
});

export function createJobs({ store, clock, plan, stepNames, warn }: JobsWorld): Jobs {
  const open = new Map<string, Open>();
  const listeners = new Set<(id: string) => void>();
  // what must be done whether a job is cancelled or not ends with the hub only
  const end = new AbortController();
  let closed = false;
  const now = () => timestamp(clock.now());

  const isOver = ({ state }: Job) => state !== "queued" && state !== "running";
  async function save(job: Job): Promise<void> {
    const { id, serverId } = job;
    await store.putJob({
      id,
      serverId,
      over: isOver(job),
      createdAtMs: Date.parse(job.createdAt),
      body: JSON.stringify(job),
    });
  }

  function tell(id: string): void {
    for (const listener of listeners) listener(id);
  }

  /** Changes a job in memory, so that it is seen, and on disk. A disk that is full must not end the work on a host. */
  async function change(entry: Open, to: Partial<Job>): Promise<void> {
    entry.job = { ...entry.job, ...to };
    tell(entry.job.id);
    try {
      await save(entry.job);
    } catch (error) {
      warn(`job ${entry.job.id} is not on disk as it is now: ${reasonOf(error)}`);
    }
  }

  function withStep(entry: Open, index: number, to: Partial<JobStep>): readonly JobStep[] {
    return entry.job.steps.map((step, at) => (at === index ? { ...step, ...to } : step));
  }

  /** Starts what may run: the oldest job of each server, as long as there is room. */
  function pump(): void {
    if (closed) return;
    const servers = new Set<string>();
    let running = 0;
    for (const { running: one } of open.values()) if (one !== undefined) running++;
    for (const entry of open.values()) {
      const { serverId } = entry.job;
      if (!servers.has(serverId) && entry.running === undefined && running < maxRunning) {
        running++;
        entry.running = work(entry);
        keep(entry.running, (error) => warn(`job ${entry.job.id} broke off: ${reasonOf(error)}`));
      }
      servers.add(serverId);
    }
  }

  async function work(entry: Open): Promise<void> {
    const { control } = entry;
    let at = -1;
    const view: JobView = {
      get job() {
        return entry.job;
      },
      signal: control.signal,
      say(text) {
        const step = entry.job.steps[at];
        if (step === undefined || text === "") return;
        entry.job = { ...entry.job, steps: [...withStep(entry, at, addOutput(step, text))] };
        tell(entry.job.id);
      },
    };
    let made: JobPlan | undefined;
    try {
      made = plan[entry.job.kind](entry.job);
      // cancelled in an earlier life of the hub: all that is left to do is to undo
      control.signal.throwIfAborted();
      await change(entry, { state: "running", startedAt: entry.job.startedAt ?? now() });
      for (const step of made.steps) {
        control.signal.throwIfAborted();
        at++;
        await change(entry, { steps: [...withStep(entry, at, { state: "running", startedAt: now() })] });
        await step.run(view);
        await change(entry, { steps: [...withStep(entry, at, { state: "done", finishedAt: now() })] });
      }
      // a cancellation that came too late for the last step
      await finish(entry, { state: "done", problem: null });
    } catch (error) {
      // the next life of the hub takes it up, and undoes on the host what is half done
      if (closed) return;
      await fail(entry, Math.max(at, 0), error, made, view);
    } finally {
      made?.close();
      open.delete(entry.job.id);
      tell(entry.job.id);
      pump();
    }
  }

  async function fail(entry: Open, at: number, error: unknown, made: JobPlan | undefined, view: JobView) {
    const cancelled = entry.control.signal.aborted;
    const fault = cancelled ? entry.control.signal.reason : error;
    view.say(`${fault instanceof Fault ? fault.oneLine : reasonOf(fault)}\n`);
    let problem = { message: reasonOf(fault), hint: fault instanceof Fault ? (fault.hint ?? null) : null };
    try {
      await made?.undo({ ...view, job: entry.job, signal: end.signal });
    } catch (undoing) {
      view.say(`${undoing instanceof Fault ? undoing.oneLine : reasonOf(undoing)}\n`);
      problem = { message: `${problem.message}; ${reasonOf(undoing)}`, hint: hintOf(undoing) ?? problem.hint };
    }
    if (closed) return;
    const steps = withStep(entry, at, { state: "failed", finishedAt: now() }).map((step): JobStep =>
      step.state === "waiting" ? { ...step, state: "skipped" } : step,
    );
    await finish(entry, { state: cancelled ? "cancelled" : "failed", problem, steps });
  }

  async function finish(entry: Open, to: Partial<Job>): Promise<void> {
    await change(entry, { ...to, finishedAt: now() });
  }

  function enter(job: Job): Open {
    const entry = { job, control: new AbortController(), running: undefined };
    open.set(job.id, entry);
    return entry;
  }

  const read = ({ body }: JobRecord): Job => check(jobSchema, JSON.parse(body), "a job in the store");

  return {
    async open() {
      for (const record of await store.openJobs()) {
        const job = read(record);
        // what a step of before has said is of no use to its second attempt
        const entry = enter({ ...job, state: "queued", steps: stepNames[job.kind].map(waiting) });
        // only a job that is to end has a problem and is not over
        if (job.problem !== null) entry.control.abort(new Fault("conflict", job.problem.message));
      }
      pump();
    },
    async close() {
      closed = true;
      const stop = new Fault("unavailable", "the hub was stopped; it takes the job up again when it is started");
      const running = [...open.values()].flatMap((entry) => {
        entry.control.abort(stop);
        return entry.running ?? [];
      });
      end.abort(stop);
      await Promise.allSettled(running);
    },
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
        steps: stepNames[order.kind].map(waiting),
        problem: null,
      };
      await save(job);
      enter(job);
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
      const entry = open.get(id);
      if (entry === undefined || isOver(entry.job)) return undefined;
      const reason = new Fault("conflict", "the job was cancelled");
      entry.control.abort(reason);
      if (entry.running !== undefined && entry.job.problem === null) {
        // a hub that is started again must know it, too
        await change(entry, { problem: { message: reason.message, hint: null } });
      }
      if (entry.running === undefined) {
        open.delete(id);
        const steps = entry.job.steps.map((step): JobStep => ({ ...step, state: "skipped" }));
        await finish(entry, { state: "cancelled", steps });
        pump();
      }
      return entry.job;
    },
    busy: (serverId) => [...open.values()].some(({ job }) => job.serverId === serverId),
    forget(serverId) {
      for (const { job, control } of open.values()) {
        if (job.serverId === serverId) control.abort(new Fault("not-found", "the server was removed"));
      }
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const hintOf = (error: unknown): string | undefined => (error instanceof Fault ? error.hint : undefined);
