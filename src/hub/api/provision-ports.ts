/** What the routes of SSH and jobs need from the rest of the hub. */
import type { Job, JobKind } from "#src/protocol/job.ts";
import type { SshCheck, SshDetails, SshRequest } from "#src/protocol/ssh.ts";

export type SshAccess = {
  details(serverId: string): Promise<SshDetails | null>;
  /** Rejects with a Fault `invalid` when `put` would, for a new server or this one. */
  examine(request: SshRequest, serverId?: string): Promise<void>;
  put(serverId: string, request: SshRequest): Promise<SshDetails>;
  remove(serverId: string): Promise<boolean>;
  has(serverId: string): boolean;
};

/** Tries the details out; null: there are none. `approved` are the host keys that were approved by it. */
export type CheckSsh = (
  serverId: string,
  approve: { readonly hostKey?: string | undefined; readonly jumpHostKey?: string | undefined },
) => Promise<{ readonly answer: SshCheck; readonly approved: readonly string[] } | null>;

export type HubKeys = { publicKey(organizationId: string): Promise<string> };

export type Jobs = {
  start(order: {
    readonly kind: JobKind;
    readonly serverId: string;
    readonly hostname: string;
    readonly createdBy: string | null;
    readonly request: Job["request"];
  }): Promise<Job>;
  get(id: string): Promise<Job | undefined>;
  of(serverId: string): Promise<readonly Job[]>;
  cancel(id: string): Promise<Job | undefined>;
  onChange(listener: (id: string) => void): () => void;
};
