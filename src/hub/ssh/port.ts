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
  /** pinned host key as `SHA256:…` (base64 without padding, as ssh-keygen -l prints it); null: none is known yet */
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
  /** Runs a POSIX sh script, whatever the login shell is. Rejects with a Fault when the connection fails or it times out. */
  readonly run: (script: string, options: SshRun) => Promise<SshResult>;
  /** the host key it was opened with, `SHA256:…` */
  readonly hostKey: string;
  readonly closed: Promise<void>;
  readonly close: () => void;
};

/**
 * Opens a session. Rejects with a Fault: `denied` (credentials), `conflict` (the host key is another than the pinned
 * one), `unavailable` (can't be reached, with the reason), each saying what to do.
 */
export type OpenSession = (
  target: SshTarget,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
) => Promise<SshSession>;
