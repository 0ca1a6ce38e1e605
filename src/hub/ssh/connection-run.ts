/**
 * One script on one channel. The login shell may be any (fish, csh, busybox): it only ever sees one short line of plain
 * characters that starts sh, which says a word that nobody can guess and then takes the script from its standard input.
 * So whatever a profile or a banner prints is told apart, a script that was cut on its way is not run, and the password
 * for sudo is sent to nothing but sudo's own question.
 */
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import type { Client, ClientChannel } from "ssh2";

import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { SshResult, SshRun, SshTarget } from "./port.ts";

/** Bytes of each stream that a result holds unless it is told otherwise; more is read and left out. */
const defaultMaxOutputBytes = 1_048_576;
/** Bytes that a host may send for one script, output that nobody keeps with it; more is no output but an attack. */
const maxReadBytes = 64 * 1_048_576;
/** Bytes that may come before sh has begun; a profile that prints more is not read for its message. */
const maxNoiseBytes = 65_536;
/** A host with MaxSessions 1 may not have noticed yet that the channel before is closed. */
const openTries = 5;
const openPauseMs = 200;
/** What sh ends with when the script did not arrive whole. */
const cutCode = 126;

export type RunTarget = Pick<SshTarget, "user" | "sudo"> & {
  readonly name: string;
  /** what sudo is told; null: it must not ask */
  readonly sudoPassword: string | null;
};

/** Runs `script`; see `SshSession.run`. One that is given up goes on to its end on the host, unheard. */
export async function runScript(client: Client, target: RunTarget, script: string, run: SshRun): Promise<SshResult> {
  const word = randomBytes(12).toString("hex");
  const text = Buffer.from(`${script}\n# orion-end-${word}`);
  const command = commandOf(target, run.asRoot === true, word, text.length);
  const { stdin } = run;
  const deadline = performance.now() + run.timeoutMs;
  const channel = await openChannel(client, command, target.name, run);
  return await new Promise<SshResult>((resolve, reject) => {
    const stdout = createSink(run.maxOutputBytes ?? defaultMaxOutputBytes, run.onOutput);
    const stderr = createSink(run.maxOutputBytes ?? defaultMaxOutputBytes, run.onOutput);
    const begin = Buffer.from(`orion-begin-${word}\n`);
    // sudo's, where the command has one; who asks otherwise gets no answer
    const question = command.includes(" -p ") ? `orion-ask-${word}` : undefined;
    let noise: Buffer | undefined = Buffer.alloc(0);
    let complaint = "";
    let asked = 0;

    function finish(error: unknown): void {
      clearTimeout(timer);
      run.signal?.removeEventListener("abort", abort);
      if (error === undefined) return;
      reject(error);
      channel.close();
    }
    const timer = setTimeout(() => finish(tooLate(target.name, run)), Math.max(0, deadline - performance.now()));
    let received = 0;
    function count({ length }: Buffer): void {
      received += length;
      if (received <= maxReadBytes) return;
      finish(
        new Fault("failed", `${target.name} prints without end: it was given up after ${received >> 20} MiB`, {
          hint: "Sign in by hand and look what its shell or the command prints",
        }),
      );
      // what it goes on to send is not taken off the network any more
      channel.pause();
      channel.stderr.pause();
    }
    const abort = () => finish(run.signal?.reason);
    run.signal?.addEventListener("abort", abort);

    function start(): void {
      channel.write(text);
      keep(feed(channel, stdin), () => {
        // else the script ended without reading all of it, or the connection did: what follows tells which
        if (stdin instanceof Readable && stdin.errored !== null) finish(unreadable(stdin.errored));
      });
    }

    channel.on("data", (bytes: Buffer) => {
      count(bytes);
      if (noise === undefined) {
        stdout.take(bytes);
        return;
      }
      noise = Buffer.concat([noise, bytes]);
      const at = noise.indexOf(begin);
      if (at === -1) {
        noise = noise.subarray(-maxNoiseBytes);
        return;
      }
      const rest = noise.subarray(at + begin.length);
      noise = undefined;
      start();
      if (rest.length > 0) stdout.take(rest);
    });
    channel.stderr.on("data", (bytes: Buffer) => {
      count(bytes);
      if (noise === undefined) {
        stderr.take(bytes);
        return;
      }
      complaint = (complaint + bytes.toString()).slice(-maxNoiseBytes);
      const questions = question === undefined ? 0 : complaint.split(question).length - 1;
      if (questions === asked) return;
      asked = questions;
      // a second question means that the first answer was wrong; more wrong ones could lock the account
      if (asked > 1 || target.sudoPassword === null) finish(wrongPassword(target));
      else channel.write(`${target.sudoPassword}\n`);
    });
    // not by `exit`: of a command that ends at once that comes together with the channel, before anybody can listen
    channel.on("close", (code?: number | null, signal?: string) => {
      finish(undefined);
      const exit = code === undefined ? undefined : { code, signal: signal ?? null };
      if (exit === undefined) reject(lost(target.name));
      else if (noise !== undefined) reject(neverBegan(target, run, `${noise.toString()}\n${complaint}`, question));
      else if (exit.code === cutCode && stdout.empty() && stderr.empty()) reject(lost(target.name));
      else resolve({ ...exit, stdout: stdout.text(), stderr: stderr.text() });
    });
    channel.on("error", () => {
      // EPIPE of a script that does not read its input; `close` follows
    });
  });
}

/** One line that every shell reads alike: no newline, backslash, exclamation mark or single quote within the quotes. */
function commandOf({ sudo, user }: RunTarget, asRoot: boolean, word: string, bytes: number): string {
  const take = `s=$(dd bs=1 count=${bytes} 2>/dev/null)`;
  const whole = `case $s in *orion-end-${word}) eval "$s" ;; *) exit ${cutCode} ;; esac`;
  const shell = `sh -c 'echo; echo orion-begin-${word}; ${take}; ${whole}'`;
  if (!asRoot || sudo === "none" || user === "root") return shell;
  return sudo === "without-password" ? `sudo -n -- ${shell}` : `sudo -S -p orion-ask-${word} -- ${shell}`;
}

async function openChannel(client: Client, command: string, name: string, run: SshRun): Promise<ClientChannel> {
  const { promise: never, reject } = Promise.withResolvers<never>();
  const closed = () => reject(lost(name));
  const abort = () => reject(run.signal?.reason);
  // a host that is there but answers nothing is given up as one that does not finish
  const timer = setTimeout(() => reject(tooLate(name, run)), run.timeoutMs);
  client.once("close", closed);
  run.signal?.addEventListener("abort", abort);
  if (run.signal?.aborted === true) abort();
  const opening = tryToOpen(client, command, name);
  try {
    return await Promise.race([never, opening]);
  } catch (error) {
    // one that opens after all has nobody who waits for it
    keep(
      opening.then((channel) => channel.close()),
      () => undefined,
    );
    throw error;
  } finally {
    clearTimeout(timer);
    client.off("close", closed);
    run.signal?.removeEventListener("abort", abort);
  }
}

async function tryToOpen(client: Client, command: string, name: string): Promise<ClientChannel> {
  for (let tries = 1; ; tries++) {
    try {
      return await new Promise<ClientChannel>((resolve, reject) => {
        client.exec(command, (error, channel) => {
          if (error === undefined) resolve(channel);
          else reject(error);
        });
      });
    } catch (error) {
      if (tries < openTries && isOpenFailure(error)) {
        await Bun.sleep(openPauseMs);
        continue;
      }
      throw new Fault(
        "unavailable",
        `${name} opened no session: ${error instanceof Error ? error.message : "refused"}`,
        {
          hint: "Its sshd allows no commands here: look at MaxSessions, ForceCommand and the options in authorized_keys",
          cause: error,
        },
      );
    }
  }
}

/** RFC 4254 section 5.1; ssh2 puts the reason code on the error. */
const isOpenFailure = (error: unknown): boolean =>
  error instanceof Error && ("reason" in error || /open failure|not connected/i.test(error.message));

async function feed(channel: ClientChannel, stdin: SshRun["stdin"]): Promise<void> {
  if (stdin === undefined) channel.end();
  else if (typeof stdin === "string") channel.end(stdin);
  else if (stdin instanceof Uint8Array) await pipeline(Readable.from(slices(stdin)), channel);
  else await pipeline(stdin, channel);
}

/** A large body goes in pieces, so that the channel's window holds the rest back. */
function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += 65_536) yield bytes.subarray(from, from + 65_536);
}

type Sink = {
  readonly take: (bytes: Buffer) => void;
  readonly text: () => string;
  readonly empty: () => boolean;
};

function createSink(maxBytes: number, onOutput: SshRun["onOutput"]): Sink {
  const kept: Buffer[] = [];
  const decoder = new TextDecoder();
  let size = 0;
  return {
    take(bytes) {
      const part = bytes.subarray(0, Math.max(0, maxBytes - size));
      size += part.length;
      if (part.length > 0) kept.push(part);
      const text = onOutput === undefined ? "" : decoder.decode(bytes, { stream: true });
      if (text !== "") onOutput?.(text);
    },
    text: () => Buffer.concat(kept).toString(),
    empty: () => size === 0,
  };
}

const tooLate = (name: string, { timeoutMs }: SshRun): Fault =>
  new Fault("unavailable", `${name} did not finish within ${Math.round(timeoutMs / 1000)} s`, {
    hint: "Is it overloaded, or does something on it hang?",
  });

function lost(name: string): Fault {
  return new Fault("unavailable", `the connection to ${name} was lost`, {
    hint: "Is the host still up, and the network between it and the hub whole?",
  });
}

function unreadable(error: unknown): Fault {
  return new Fault("failed", `what was to be sent can't be read: ${reasonOf(error)}`, {
    hint: "Look at the hub's own disk",
    cause: error,
  });
}

function wrongPassword({ name, user }: RunTarget): Fault {
  return new Fault("denied", `sudo on ${name} refused the password of ${user}`, {
    hint: "Correct the sudo password in the server's SSH details",
  });
}

/** sh did not start: the login shell or sudo said why. */
function neverBegan(target: RunTarget, { asRoot }: SshRun, said: string, question = ""): Fault {
  const { name, user, sudo } = target;
  const words = (question === "" ? said : said.replaceAll(question, "")).replace(/\s+/g, " ").trim().slice(0, 500);
  if (asRoot === true && sudo !== "none" && user !== "root") {
    if (/password is required|a terminal is required|no tty/i.test(words)) {
      return new Fault("denied", `sudo on ${name} wants a password of ${user}`, {
        hint: "Give the sudo password in the server's SSH details, or allow it without one (NOPASSWD)",
      });
    }
    if (/sudo: (?:command )?not found|unknown command.*sudo|sudo: not found/i.test(words)) {
      return new Fault("failed", `sudo is not installed on ${name}`, {
        hint: "Install sudo there, or sign in as root",
      });
    }
    if (/not in the sudoers|not allowed to/i.test(words)) {
      return new Fault("denied", `${user} may not use sudo on ${name}: ${words}`, {
        hint: "Allow it in /etc/sudoers.d, or sign in as root",
      });
    }
  }
  return new Fault("failed", `${name} did not run sh for ${user}${words === "" ? "" : `, it said: ${words}`}`, {
    hint: `${user} needs a login shell that runs commands, and sh in its PATH`,
  });
}
