/** One hop: a TCP connection (or a stream through another hop), the host's key compared, the user signed in. */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

import {
  Client,
  type ConnectConfig,
  type KeyboardInteractiveAuthMethod,
  type PasswordAuthMethod,
  type PublicKeyAuthMethod,
} from "ssh2";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { changedKey, fingerprintOf, keyTypeOf, unapprovedKey } from "./host-key.ts";
import { readPrivateKey } from "./keys.ts";
import type { SshCredentials, SshHop } from "./port.ts";

/** A question after this much silence, and the end when three stay without an answer: a dead host is noticed in 40 s. */
const keepAliveMs = 10_000;
const keepAliveMisses = 3;

export type DialOptions = {
  /** for the TCP connection, the handshake and the sign-in together */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** the way through another hop; else a connection is opened */
  readonly through?: Duplex;
};

export type Dialled = {
  readonly client: Client;
  readonly hostKey: string;
  /** Says good-bye and hangs up, also on a host that does not hang up itself. */
  readonly end: () => void;
};

/** A host that is told good-bye has so long to hang up. */
const partingMs = 2000;
/** Bytes that may wait for a host to take them; uploads are held back long before, so only our answers can grow so far. */
const maxUnreadBytes = 16 * 1_048_576;
const lookAtUnreadMs = 1000;

export type SeenKey = { readonly fingerprint: string; readonly type: string };

/** How a hop is named in messages. */
export function nameOf({ host, port }: Pick<SshHop, "host" | "port">): string {
  return port === 22 ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Signs in. Rejects with a Fault as `OpenSession` does. */
export async function dial(hop: SshHop, options: DialOptions): Promise<Dialled> {
  let seen: SeenKey | undefined;
  const client = new Client();
  const auth = signingIn(hop);
  const way = wayTo(hop, options);
  const config: ConnectConfig = {
    ...common(way, options),
    ...auth,
    hostVerifier(key: Buffer) {
      seen = { fingerprint: fingerprintOf(key), type: keyTypeOf(key) };
      return hop.hostKey === seen.fingerprint;
    },
  };
  try {
    await connected(client, way, config, hop, options);
  } catch (error) {
    if (seen !== undefined && hop.hostKey === null) throw unapprovedKey(nameOf(hop), seen.fingerprint);
    if (seen !== undefined && hop.hostKey !== null && seen.fingerprint !== hop.hostKey) {
      throw changedKey(nameOf(hop), hop.hostKey, seen.fingerprint);
    }
    throw error;
  }
  if (seen === undefined) throw new Fault("failed", `${nameOf(hop)} showed no host key`);
  // one who floods us with questions and reads no answer would fill the hub's memory
  const watch = setInterval(() => {
    if (way.writableLength > maxUnreadBytes) way.destroy();
  }, lookAtUnreadMs);
  client.once("close", () => clearInterval(watch));
  return { client, hostKey: seen.fingerprint, end: () => partWith(client, way) };
}

function partWith(client: Client, way: Duplex): void {
  const late = setTimeout(() => way.destroy(), partingMs);
  client.once("close", () => clearTimeout(late));
  client.end();
}

/** Asks a host for its key and leaves; nothing secret is sent. Rejects with a Fault `unavailable`. */
export async function askHostKey(hop: Pick<SshHop, "host" | "port">, options: DialOptions): Promise<SeenKey> {
  let seen: SeenKey | undefined;
  const client = new Client();
  const way = wayTo(hop, options);
  const config: ConnectConfig = {
    ...common(way, options),
    username: "orion",
    hostVerifier(key: Buffer) {
      seen = { fingerprint: fingerprintOf(key), type: keyTypeOf(key) };
      return false;
    },
  };
  try {
    await connected(client, way, config, { ...hop, user: "orion" }, options);
  } catch (error) {
    // that we hang up once we know is no failure
    if (seen === undefined) throw error;
  }
  if (seen === undefined) throw new Fault("failed", `${nameOf(hop)} showed no host key`);
  return seen;
}

/** Ours from the beginning, so that it can be ended whatever state the client is in. */
function wayTo({ host, port }: Pick<SshHop, "host" | "port">, { through }: DialOptions): Duplex {
  return through ?? new Socket().connect({ host, port });
}

function common(sock: Duplex, { timeoutMs }: DialOptions): ConnectConfig {
  return { sock, readyTimeout: timeoutMs, keepaliveInterval: keepAliveMs, keepaliveCountMax: keepAliveMisses };
}

function signingIn({ user: username, credentials }: SshHop): ConnectConfig {
  if (credentials.kind === "key") {
    const key = readPrivateKey(credentials.privateKey, credentials.passphrase);
    const method: PublicKeyAuthMethod = { type: "publickey", username, key };
    return { username, authHandler: [method] };
  }
  const { password } = credentials;
  const typed: PasswordAuthMethod = { type: "password", username, password };
  const asked: KeyboardInteractiveAuthMethod = {
    type: "keyboard-interactive",
    username,
    // hidden questions are for the password; one that shows what is typed is not ours to answer
    prompt: (_name, _words, _language, prompts, answer) =>
      answer(prompts.map(({ echo }) => (echo === true ? "" : password))),
  };
  return { username, authHandler: [typed, asked] };
}

/** Resolves when `client` is signed in; after that its errors end it, see `close`. */
async function connected(
  client: Client,
  way: Duplex,
  config: ConnectConfig,
  hop: Pick<SshHop, "host" | "port" | "user"> & { readonly credentials?: SshCredentials },
  { timeoutMs, signal }: DialOptions,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(tooSlow(hop, timeoutMs)), timeoutMs);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  client.on("ready", resolve);
  // stays: an error without a listener would end the hub; once signed in, `close` follows and tells
  client.on("error", (error: Error & { readonly level?: string }) => {
    reject(faultOf(error, hop, timeoutMs));
    // after one of the protocol the client only stops writing, and would listen to nonsense for as long as it comes
    way.destroy();
  });
  client.on("close", () =>
    reject(new Fault("unavailable", `${nameOf(hop)} closed the connection`, { hint: lookAtSshd })),
  );
  try {
    client.connect(config);
    if (signal?.aborted === true) abort();
    await promise;
  } catch (error) {
    way.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

const lookAtSshd = "See its sshd's log: journalctl -u ssh -u sshd";

function tooSlow(hop: Pick<SshHop, "host" | "port">, timeoutMs: number): Fault {
  return new Fault("unavailable", `${nameOf(hop)} did not answer within ${Math.round(timeoutMs / 1000)} s`, {
    hint: "Is the address right, is the host up, and does its firewall let the hub in?",
  });
}

/** What can be done about errors of connect(2) and of getaddrinfo(3). */
const networkHints: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Nothing listens there: does sshd run, and on this port?",
  EHOSTUNREACH: "Is the host up, and is there a route to it?",
  ENETUNREACH: "Is there a route to it?",
  ETIMEDOUT: "Is the host up, and does its firewall let the hub in?",
  ENOTFOUND: "The hub can't resolve this name: is it spelt right?",
  EAI_AGAIN: "The hub's name servers don't answer",
  ECONNRESET: "Its sshd ended it: too many connections (MaxStartups), or it bars the hub's address",
};

function faultOf(
  error: Error & { readonly level?: string; readonly code?: unknown },
  hop: Pick<SshHop, "host" | "port" | "user"> & { readonly credentials?: SshCredentials },
  timeoutMs: number,
): Fault {
  if (error.level === "client-authentication") return refused(hop, error);
  if (error.level === "client-timeout") return tooSlow(hop, timeoutMs);
  const code = typeof error.code === "string" ? error.code : "";
  const hint = networkHints[code] ?? lookAtSshd;
  const why = code !== "" && !error.message.includes(code) ? `${error.message} (${code})` : reasonOf(error);
  return new Fault("unavailable", `can't connect to ${nameOf(hop)}: ${why}`, { hint, cause: error });
}

function refused(
  { user, credentials, ...hop }: Pick<SshHop, "host" | "port" | "user"> & { readonly credentials?: SshCredentials },
  cause: Error,
): Fault {
  return credentials?.kind === "password"
    ? new Fault("denied", `${nameOf(hop)} refused the password of ${user}`, {
        hint: "Is it right, and does its sshd allow passwords (PasswordAuthentication; for root PermitRootLogin)?",
        cause,
      })
    : new Fault("denied", `${nameOf(hop)} refused the key of ${user}`, {
        hint: `Its public half must stand in ~${user}/.ssh/authorized_keys, which only ${user} may write`,
        cause,
      });
}
