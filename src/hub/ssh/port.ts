/** SSH as the rest of this room sees it: a session that runs commands and takes files, whichever way it was opened. */
import type { Readable } from "node:stream";

export type SshCredentials =
  | { readonly kind: "key"; readonly privateKey: string; readonly passphrase: string | null }
  | { readonly kind: "password"; readonly password: string };

export type SshHop = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly credentials: SshCredentials;
  /** pinned host key as `SHA256:…` (base64 without padding, as ssh-keygen -l prints it); null: none is approved yet, so that it is refused */
  readonly hostKey: string | null;
};

export type SshTarget = SshHop & {
  readonly sudo: "none" | "without-password" | "with-password";
  /** for `with-password`; null: the login password */
  readonly sudoPassword: string | null;
  readonly jump: SshHop | null;
};

export type SshResult = {
  /** null: it ended by a signal, or the connection did */
  readonly code: number | null;
  readonly signal: string | null;
  /** decoded as UTF-8, cut at `maxOutputBytes` */
  readonly stdout: string;
  readonly stderr: string;
};

export type SshRun = {
  /** as root, by the way that the target says */
  readonly asRoot?: boolean;
  readonly stdin?: Readable | Uint8Array | string;
  readonly timeoutMs: number;
  /** output as it comes, for live job logs */
  readonly onOutput?: (text: string) => void;
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
};

export type SshSession = {
  /** Runs a POSIX sh script, whatever the login shell is; one after the other. Rejects with a Fault when the connection fails or it times out. */
  readonly run: (script: string, options: SshRun) => Promise<SshResult>;
  /** the host key it was opened with, `SHA256:…` */
  readonly hostKey: string;
  readonly closed: Promise<void>;
  readonly close: () => void;
};

/**
 * Opens a session. Rejects with a Fault: `denied` (credentials), `conflict` (the host key is another than the pinned
 * one, or none is), `unavailable` (can't be reached, with the reason), each saying what to do.
 */
export type OpenSession = (
  target: SshTarget,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
) => Promise<SshSession>;

/** Which servers can be reached over SSH, and how. */
export type SshTargets = {
  /** Ids of all servers with SSH details; from memory. */
  readonly ids: () => readonly string[];
  readonly has: (serverId: string) => boolean;
  /** Opened for use; null: there are none for this server. Rejects with a Fault when they can't be opened. */
  readonly targetOf: (serverId: string) => Promise<SshTarget | null>;
  /** Tells whose details have come, changed or gone, an approved host key among them. */
  readonly onChange: (listener: (serverId: string) => void) => () => void;
};
