/** One job, done by this hub: its steps in order, what each said, and what is brought back when one fails. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { Job, JobStep } from "#src/protocol/job.ts";
import { addOutput } from "./jobs-output.ts";
import type { JobPlan, JobView } from "./jobs-port.ts";

/** A job that this hub knows of, whoever does it. */
export type OpenJob = {
  job: Job;
  /** the hub that does it; null: nobody yet */
  holder: string | null;
  /** not to be begun before, unless it was asked for here, by a clock that never goes back */
  notBeforeMs: number;
  /** aborted when it is cancelled, or left */
  control: AbortController;
  /** aborted when it is left as it is, for whoever takes it up next: then nothing is undone either */
  hold: AbortController;
  /** done here; undefined: it waits, or another hub does it */
  running: Promise<void> | undefined;
};

export const isOver = ({ state }: Job): boolean => state !== "queued" && state !== "running";

export const waitingStep = (name: string): JobStep => ({
  name,
  state: "waiting",
  startedAt: null,
  finishedAt: null,
  output: "",
  omitted: 0,
});

export type WorkWorld = {
  readonly plan: (job: Job) => JobPlan;
  /** Changes a job in memory and in the store; never rejects. */
  readonly change: (entry: OpenJob, to: Partial<Job>) => Promise<void>;
  /** The same for its end, which is tried until it is in the store or the job is left. */
  readonly finish: (entry: OpenJob, to: Partial<Job>) => Promise<void>;
  /** hears of what the running step said, which `entry` has by then */
  readonly said: (entry: OpenJob) => void;
  /** RFC 3339 */
  readonly now: () => string;
};

/** Does a job to its end, unless it is left on the way. */
export async function workOn(entry: OpenJob, world: WorkWorld): Promise<void> {
  const { change, now } = world;
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
      entry.job = { ...entry.job, steps: withStep(entry, at, addOutput(step, text)) };
      world.said(entry);
    },
  };
  let made: JobPlan | undefined;
  try {
    made = world.plan(entry.job);
    // cancelled in an earlier life of the hub: all that is left to do is to undo
    control.signal.throwIfAborted();
    await change(entry, { state: "running", startedAt: entry.job.startedAt ?? now() });
    for (const step of made.steps) {
      control.signal.throwIfAborted();
      at++;
      await change(entry, { steps: withStep(entry, at, { state: "running", startedAt: now() }) });
      control.signal.throwIfAborted();
      await step.run(view);
      await change(entry, { steps: withStep(entry, at, { state: "done", finishedAt: now() }) });
    }
    // a cancellation that came too late for the last step
    await world.finish(entry, { state: "done", problem: null, finishedAt: now() });
  } catch (error) {
    // whoever takes it up undoes on the host what is half done
    if (!entry.hold.signal.aborted) await fail(entry, Math.max(at, 0), { error, made, view, world });
  } finally {
    made?.close();
  }
}

type Failure = {
  readonly error: unknown;
  readonly made: JobPlan | undefined;
  readonly view: JobView;
  readonly world: WorkWorld;
};

async function fail(entry: OpenJob, at: number, { error, made, view, world }: Failure): Promise<void> {
  const cancelled = entry.control.signal.aborted;
  const fault = cancelled ? entry.control.signal.reason : error;
  view.say(`${fault instanceof Fault ? fault.oneLine : reasonOf(fault)}\n`);
  let problem = { message: reasonOf(fault), hint: hintOf(fault) };
  try {
    await made?.undo({ ...view, job: entry.job, signal: entry.hold.signal });
  } catch (undoing) {
    view.say(`${undoing instanceof Fault ? undoing.oneLine : reasonOf(undoing)}\n`);
    problem = { message: `${problem.message}; ${reasonOf(undoing)}`, hint: hintOf(undoing) ?? problem.hint };
  }
  if (entry.hold.signal.aborted) return;
  const finishedAt = world.now();
  const steps = withStep(entry, at, { state: "failed", finishedAt }).map((step): JobStep =>
    step.state === "waiting" ? { ...step, state: "skipped" } : step,
  );
  await world.finish(entry, { state: cancelled ? "cancelled" : "failed", problem, steps, finishedAt });
}

function withStep(entry: OpenJob, index: number, to: Partial<JobStep>): JobStep[] {
  return entry.job.steps.map((step, at) => (at === index ? { ...step, ...to } : step));
}

const hintOf = (error: unknown): string | null => (error instanceof Fault ? (error.hint ?? null) : null);
