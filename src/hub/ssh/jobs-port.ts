/** What background work needs of others, and what it gives. */
import type { Job } from "#src/protocol/job.ts";

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
