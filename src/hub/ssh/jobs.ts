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

/** Hosts that are worked on at once: each may be sent a program of 110 MB. */
const maxRunning = 8;
/** Jobs of one server that may wait. */
const maxWaiting = 4;

export type JobRecord = {
  readonly id: string;
  readonly serverId: string;
  readonly over: boolean;
  readonly createdAtMs: number;
  /** the job as JSON */
  readonly body: string;
};

export type JobsStore = {
  job(id: string): Promise<JobRecord | undefined>;
  jobsOf(serverId: string): Promise<readonly JobRecord[]>;
  openJobs(): Promise<readonly JobRecord[]>;
  putJob(record: JobRecord): Promise<void>;
};

/** What a step sees of its job. */
export type JobView = {
  readonly job: Job;
  /** aborted when the job is cancelled or the hub stops; its reason is a Fault */
  readonly signal: AbortSignal;
  /** Adds to the output of the running step. */
  readonly say: (text: string) => void;
};

export type JobPlan = {
  readonly steps: readonly { readonly name: string; readonly run: (view: JobView) => Promise<void> }[];
  /** After a failure or a cancellation: the host is brought back. What it says is the end of the failed step's output. */
  readonly undo: (view: JobView) => Promise<void>;
  /** Always, at the very end. */
  readonly close: () => void;
};

export type JobOrder = Pick<Job, "kind" | "serverId" | "hostname" | "createdBy" | "request">;

export type Jobs = {
  /** Takes up what an earlier life of the hub has left. */
  open(): Promise<void>;
  /** Lets go of everything; jobs that run or wait are taken up by the next `open`. */
  close(): Promise<void>;
  /** Rejects with a Fault `limited` when too many wait for this server. */
  start(order: JobOrder): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  /** Newest first. */
  of(serverId: string): Promise<readonly Job[]>;
  /** It ends soon, after what it has done is undone. undefined: there is none, or it is over. */
  cancel(id: string): Promise<Job | undefined>;
  /** Whether something runs or waits for this server. */
  busy(serverId: string): boolean;
  /** A server is gone: its jobs end. */
  forget(serverId: string): void;
  /** Tells of each change of a job that runs or waits. */
  onChange(listener: (id: string) => void): () => void;
};

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
      await change(entry, { state: "running", startedAt: entry.job.startedAt ?? now() });
      for (const step of made.steps) {
        control.signal.throwIfAborted();
        at++;
        await change(entry, { steps: [...withStep(entry, at, { state: "running", startedAt: now() })] });
        await step.run(view);
        await change(entry, { steps: [...withStep(entry, at, { state: "done", finishedAt: now() })] });
      }
      await finish(entry, { state: "done" });
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
      // cancelled or not, this must be done
      await made?.undo({ ...view, job: entry.job, signal: new AbortController().signal });
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

  function enter(job: Job): void {
    open.set(job.id, { job, control: new AbortController(), running: undefined });
  }

  const read = ({ body }: JobRecord): Job => check(jobSchema, JSON.parse(body), "a job in the store");

  return {
    async open() {
      for (const record of await store.openJobs()) {
        const job = read(record);
        // what a step of before has said is of no use to its second attempt
        enter({ ...job, state: "queued", steps: stepNames[job.kind].map(waiting) });
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
      entry.control.abort(new Fault("conflict", "the job was cancelled"));
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
