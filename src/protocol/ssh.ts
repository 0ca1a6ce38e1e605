/** How the hub reaches a server over SSH. Secrets go in and never come out. */
import { z } from "./schema.ts";

/** `SHA256:…` as `ssh-keygen -l` prints it. */
const fingerprint = z.string().check(z.regex(/^SHA256:[A-Za-z0-9+/]{43}$/, "must be a fingerprint such as SHA256:…"));
const host = z
  .string()
  .check(
    z.regex(/^[^\s/@\u0000-\u001f\u007f]{1,253}$/u, "must be a host name or an IP address, without user and port"),
  );
const port = z._default(z.number().check(z.minimum(1), z.maximum(65_535), z.multipleOf(1)), 22);
const user = z.string().check(z.regex(/^[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,63}\$?$/, "must be a user name"));
const password = z
  .string()
  .check(z.minLength(1), z.maxLength(1024), z.regex(/^[^\r\n]*$/, "must be one line, without line breaks"));

/** What the hub signs in with: its own key, a key of the user's, or a password. */
export const sshAuth = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("hub-key") }),
  z.object({
    kind: z.literal("key"),
    privateKey: z.string().check(z.minLength(1), z.maxLength(20_000)),
    passphrase: z.optional(z.string().check(z.minLength(1), z.maxLength(1024))),
  }),
  z.object({ kind: z.literal("password"), password }),
]);
export type SshAuth = z.infer<typeof sshAuth>;

const hopRequest = z.object({
  host,
  port,
  user,
  /** left out: as before, which needs the same host, port and user; for a new one the hub's key */
  auth: z.optional(sshAuth),
  /** the host key that is approved; left out: as before, or none until it is checked */
  hostKey: z.optional(fingerprint),
});

export const sshSudo = z.enum(["none", "without-password", "with-password"]);
export type SshSudo = z.infer<typeof sshSudo>;

/** `PUT /api/servers/:id/ssh`, and `ssh` of `POST /api/servers`. */
export const sshRequest = z.extend(hopRequest, {
  sudo: z._default(sshSudo, "none"),
  /** with-password: what sudo is told; left out: as before, or the login password */
  sudoPassword: z.optional(password),
  jump: z._default(z.nullable(hopRequest), null),
});
export type SshRequest = z.infer<typeof sshRequest>;
export type SshHopRequest = z.infer<typeof hopRequest>;

const hopDetails = z.object({
  host: z.string(),
  port: z.number(),
  user: z.string(),
  auth: z.enum(["hub-key", "key", "password"]),
  /** the public half of its key, as it must stand in authorized_keys; null: a password */
  publicKey: z.nullable(z.string()),
  /** the approved host key; null: none is yet */
  hostKey: z.nullable(z.string()),
});
/** `GET /api/servers/:id/ssh` */
export const sshDetails = z.extend(hopDetails, {
  sudo: sshSudo,
  jump: z.nullable(hopDetails),
  updatedAt: z.iso.datetime(),
});
export type SshDetails = z.infer<typeof sshDetails>;

/** `POST /api/servers/:id/ssh/check`: with `approve`, these host keys are approved first, if the hosts still show them. */
export const sshCheckRequest = z.object({
  approve: z.optional(z.object({ hostKey: z.optional(fingerprint), jumpHostKey: z.optional(fingerprint) })),
});

const seenKey = z.object({
  fingerprint: z.string(),
  /** such as ssh-ed25519 */
  type: z.string(),
  /** null: none is approved */
  approved: z.nullable(z.string()),
});

/** What a host is, as far as a deployment is concerned. */
export const hostFacts = z.object({
  /** such as Debian GNU/Linux 12 (bookworm) */
  os: z.string(),
  /** as uname(1) says: x86_64, aarch64 */
  cpu: z.string(),
  libc: z.enum(["glibc", "musl", "unknown"]),
  hostname: z.string(),
  /** whether commands run as root, by signing in so or by sudo */
  root: z.boolean(),
  systemd: z.boolean(),
  /** the engine's version; null: there is none that may be used */
  docker: z.nullable(z.string()),
  /** bytes free where the program goes */
  diskFree: z.nullable(z.number()),
  /** the agent that is installed as a program; null: none */
  agentVersion: z.nullable(z.string()),
  /** tools that a deployment needs and that are not there */
  missing: z.array(z.string()),
});
export type HostFacts = z.infer<typeof hostFacts>;

/**
 * `ok`: signed in. `unapproved`, `changed`: compare the fingerprint on the host, then approve it. `failed`: `problem` says
 * why.
 */
export const sshCheck = z.object({
  status: z.enum(["ok", "unapproved", "changed", "failed"]),
  hostKey: z.nullable(seenKey),
  jumpHostKey: z.nullable(seenKey),
  host: z.nullable(hostFacts),
  problem: z.nullable(z.object({ message: z.string(), hint: z.nullable(z.string()) })),
});
export type SshCheck = z.infer<typeof sshCheck>;

/** `GET /api/ssh/public-key`: the line to paste into authorized_keys. */
export const sshPublicKey = z.object({ publicKey: z.string() });
