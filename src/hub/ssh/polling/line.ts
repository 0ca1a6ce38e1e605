/**
 * The way to one host: a session that is kept between polls while there is room for it, opened anew when it was lost, and
 * one command over it.
 */
import { randomBytes } from "node:crypto";

import { keep } from "#src/lib/keep.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { OpenSession, SshSession, SshTarget } from "../port.ts";
import type { Gate } from "./gate.ts";
import { type Look, readLook } from "./look.ts";
import { pollScript } from "./script.ts";

/** Slow name servers and PAM modules hold a sign-in up for ten seconds and more. */
const openWithinMs = 20_000;
/** A slow profile, two looks at the counters, and a Docker engine that does not answer; both together are below a minute. */
const runWithinMs = 30_000;
/** Hundreds of containers; what is more is cut, and then noticed. */
const maxOutputBytes = 2 * 1024 * 1024;

/** Where root could not ask Docker either, sudo is left alone for a quarter of an hour. */
const plainPollsBetween = 15;

/** Sessions that are kept between polls, of all hosts together. */
export type Kept = { readonly take: () => boolean; readonly giveBack: () => void };

export type LineWorld = {
  /** Rejects with a Fault when the details can't be opened; null: there are none any more. */
  readonly target: () => Promise<SshTarget | null>;
  readonly openSession: OpenSession;
  readonly kept: Kept;
  /** nothing begins or goes on once it is aborted */
  readonly signal: AbortSignal;
};

export type Line = {
  /** Looks at the host. Rejects with a Fault that says why it can't. @param gate where a new session waits for its turn */
  readonly look: (how: { readonly twice: boolean; readonly diskPath: string; readonly gate: Gate }) => Promise<Look>;
  /** Why it looks as a plain user although more could be seen as root; null: nothing is lost, or it looks as root. */
  readonly sudoProblem: () => string | null;
  readonly close: () => void;
};

type Opened = { readonly session: SshSession; readonly target: SshTarget; readonly isKept: boolean };

export function createLine({ target: readTarget, openSession, kept, signal }: LineWorld): Line {
  let opened: Opened | undefined;
  // as root only where a plain user may not ask Docker: whoever reads the host's log of sudo should not find more
  let asRoot = false;
  let plainPolls = 0;
  let sudoProblem: string | null = null;

  async function open(gate: Gate): Promise<Opened> {
    const leave = await gate.enter(signal);
    try {
      const target = await readTarget();
      if (target === null) throw new Fault("not-found", "the server has no SSH details any more");
      const session = await openSession(target, { timeoutMs: openWithinMs, signal });
      const own = { session, target, isKept: kept.take() };
      opened = own;
      keep(
        session.closed.then(() => drop(own)),
        () => drop(own),
      );
      if (signal.aborted) close();
      return own;
    } finally {
      leave();
    }
  }

  function drop(own: Opened): void {
    if (opened !== own) return;
    opened = undefined;
    if (own.isKept) kept.giveBack();
  }

  function close(): void {
    const own = opened;
    if (own === undefined) return;
    drop(own);
    own.session.close();
  }

  type How = { readonly twice: boolean; readonly diskPath: string };

  async function run({ session }: Opened, { twice, diskPath }: How, root: boolean): Promise<Look> {
    const word = randomBytes(12).toString("hex");
    const script = pollScript({ word, diskPath, twice });
    const { stdout } = await session.run(script, { timeoutMs: runWithinMs, maxOutputBytes, signal, asRoot: root });
    return readLook(stdout, word);
  }

  /** As root, when that shows more. */
  async function lookOver(own: Opened, how: How): Promise<Look> {
    const full = asRoot ? await lookAsRoot(own, how) : undefined;
    if (full !== undefined) return full;
    const plain = await run(own, how, false);
    const { sudo, user } = own.target;
    if (plain.docker.kind !== "refused" || sudo === "none" || user === "root" || plainPolls-- > 0) return plain;
    const look = await lookAsRoot(own, how);
    return look?.docker.kind === "listed" ? look : plain;
  }

  /** undefined: it is not allowed. */
  async function lookAsRoot(own: Opened, how: How): Promise<Look | undefined> {
    plainPolls = plainPollsBetween;
    try {
      const look = await run(own, how, true);
      asRoot ||= look.docker.kind === "listed";
      sudoProblem = null;
      return look;
    } catch (error) {
      if (!(error instanceof Fault) || error.code === "unavailable") throw error;
      asRoot = false;
      sudoProblem = error.oneLine;
      return undefined;
    }
  }

  return {
    async look({ gate, ...how }) {
      const before = opened;
      try {
        try {
          return await lookOver(before ?? (await open(gate)), how);
        } catch (error) {
          // one that lay idle may have been cut on the way, which is no fault of the host
          if (before === undefined || signal.aborted || !(await isClosed(before.session))) throw error;
          return await lookOver(await open(gate), how);
        }
      } catch (error) {
        close();
        throw error instanceof Fault || signal.aborted ? error : new Fault("failed", reasonOf(error), { cause: error });
      } finally {
        if (opened?.isKept === false) close();
      }
    },
    sudoProblem: () => sudoProblem,
    close,
  };
}

/** Whether a session has ended, its last events taken in. */
async function isClosed(session: SshSession): Promise<boolean> {
  return await Promise.race([
    session.closed.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(() => setImmediate(resolve, false))),
  ]);
}
