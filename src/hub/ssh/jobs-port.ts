/** What background work needs of others, and what it gives. */
import type { Cancel } from "#src/lib/clock.ts";
import type { Job } from "#src/protocol/job.ts";

export type JobRecord = {
  readonly id: string;
  readonly serverId: string;
  readonly over: boolean;
  readonly createdAtMs: number;
  /** the job as JSON */
  readonly body: string;
  /** the hub that does it; null: nobody yet */
  readonly holder: string | null;
  /** somebody wants it to end */
  readonly cancelled: boolean;
};

export type JobsStore = {
  job(id: string): Promise<JobRecord | undefined>;
  jobsOf(serverId: string): Promise<readonly JobRecord[]>;
  /** In order of creation. @param ids left out: all that are open */
  openJobs(ids?: readonly string[]): Promise<readonly JobRecord[]>;
  /** A new one, or one that `holder` holds. Rejects with a Fault `conflict` when it holds it no longer. */
  putJob(record: Omit<JobRecord, "holder" | "cancelled"> & { readonly holder?: string }): Promise<void>;
  /** Takes an open job that nobody holds, of a server of which no other is held. Of several hubs at once one gets it. */
  claimJob(id: string, hub: string): Promise<boolean>;
  /** Puts down the end of an open job that nobody holds. false: somebody does, or it is over already. */
  endJob(record: Pick<JobRecord, "id" | "body">): Promise<boolean>;
  /** The open jobs of a hub are nobody's. @returns which */
  releaseJobs(hub: string): Promise<readonly string[]>;
  /** Asks whoever holds it to end it. */
  cancelJob(id: string): Promise<boolean>;
};

/** The hubs that share the store; a job is done by one of them. */
export type JobsCluster = {
  hubId(): string;
  /** Whether what this hub holds is certainly still its own. */
  isMember(): boolean;
  isGone(hubId: string): Promise<boolean>;
  onGone(listener: (hubId: string) => void): Cancel;
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
  /** Takes up what an earlier life of the hub has left, and from then on what hubs that are gone have left. */
  open(): Promise<void>;
  /** Lets go of everything; jobs that run or wait are taken up by the next `open`, or by another hub. */
  close(): Promise<void>;
  /** Reads jobs again that another hub has changed; null: all. Rejects when they can't be read now. */
  refresh(ids: readonly string[] | null): Promise<void>;
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
