/**
 * Starts the process of a script: `sh -c` as the leader of a session and group of its own, nothing on stdin, output
 * into the script's pipes. The only place of `Bun.spawn`.
 */
import { closeSync, fchownSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";

import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { Script } from "#src/protocol/scripts.ts";

import { type Account, readAccount } from "./account.ts";
import type { Cgroup } from "./cgroup.ts";
import { environmentFor } from "./environment.ts";
import type { CapturedPipe } from "./output.ts";
import { shellText } from "./shell.ts";
import { type Ended, waitForChild } from "./wait.ts";

export type Launch = {
  readonly script: Script;
  readonly runId: string;
  readonly cgroup: Cgroup | undefined;
  /** undefined: the output goes nowhere */
  readonly pipes: { readonly stdout: CapturedPipe; readonly stderr: CapturedPipe } | undefined;
  /** variables of the daemon that every script gets */
  readonly inherit: Readonly<Record<string, string>>;
};

export type Launched = {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** it joined the group that it was given */
  readonly inCgroup: boolean;
  /** what could not be done as asked, though the process runs */
  readonly notes: readonly string[];
};

/**
 * Starts a script's process.
 * @throws {Fault} with the reason, when its folder, user or environment file is missing, or it could not be spawned
 */
export function launch({ script, runId, cgroup, pipes, inherit }: Launch): Launched {
  const cwd = script.cwd ?? "/";
  requireFolder(cwd);
  const identity = identityOf(script);
  const env = environmentFor(script, identity.account, runId, cwd, inherit);
  const command = [...identity.prefix, "/bin/sh", "-c", shellText(script.command)];
  const descriptors: number[] = [];
  // a pipe belongs to who writes into it, or a program could not open /dev/stdout
  const writerOf = (pipe: CapturedPipe | undefined): number | "ignore" => {
    if (pipe === undefined) return "ignore";
    const fd = pipe.openWriter();
    descriptors.push(fd);
    if (identity.changes) fchownSync(fd, identity.account.uid, identity.account.gid);
    return fd;
  };
  const spawn = (group: Cgroup | undefined): Bun.Subprocess =>
    Bun.spawn(command, {
      cwd,
      env,
      stdin: "ignore",
      stdout: writerOf(pipes?.stdout),
      stderr: writerOf(pipes?.stderr),
      detached: true,
      ...identity.ids,
      ...(group === undefined ? {} : { cgroup: group.path }),
    });
  try {
    const { child, inCgroup, notes } = spawnSomehow(spawn, cgroup);
    // the daemon lives on by its own timers and sockets
    child.unref();
    return { pid: child.pid, ended: waitForChild(child), inCgroup, notes: [...identity.notes, ...notes] };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `its process can't be started: ${reasonOf(error)}`, { cause: error });
  } finally {
    for (const fd of descriptors) closeSync(fd);
  }
}

/** A script whose group can't be joined runs without it rather than not at all. */
function spawnSomehow(
  spawn: (group: Cgroup | undefined) => Bun.Subprocess,
  cgroup: Cgroup | undefined,
): { readonly child: Bun.Subprocess; readonly inCgroup: boolean; readonly notes: readonly string[] } {
  if (cgroup === undefined) return { child: spawn(undefined), inCgroup: false, notes: [] };
  try {
    return { child: spawn(cgroup), inCgroup: true, notes: [] };
  } catch (error) {
    const child = spawn(undefined);
    return { child, inCgroup: false, notes: [`control group ${cgroup.path} can't be joined: ${reasonOf(error)}`] };
  }
}

// checked first: a missing folder is otherwise reported as a missing shell
function requireFolder(cwd: string): void {
  try {
    if (statSync(cwd).isDirectory()) return;
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "does not exist" : `can't be used: ${reasonOf(error)}`;
    throw new Fault("invalid", `its working directory ${cwd} ${why}`, { cause: error });
  }
  throw new Fault("invalid", `its working directory ${cwd} is not a folder`);
}

type Identity = {
  readonly account: Account;
  /** another user than the daemon's */
  readonly changes: boolean;
  readonly ids: { readonly uid?: number; readonly gid?: number };
  readonly prefix: readonly string[];
  readonly notes: readonly string[];
};

/**
 * Who the process runs as. `uid` and `gid` of Bun.spawn drop all supplementary groups, so a user who has some is taken
 * up by setpriv(1) of util-linux, which then executes the shell: the pid stays the same.
 */
function identityOf(script: Script): Identity {
  const self = process.getuid?.() ?? 0;
  const account = readAccount(script.user ?? String(self));
  const unchanged = { account, changes: false, ids: {}, prefix: [], notes: [] };
  if (account.uid === self) return unchanged;
  if (self !== 0) {
    throw new Fault("denied", `only root can start it as user ${script.user}, and the agent runs as user id ${self}`, {
      hint: "Run the agent as root, or remove user from the script",
    });
  }
  const { uid, gid, groups } = account;
  const changed = { account, changes: true, ids: { uid, gid }, prefix: [], notes: [] };
  if (groups.length === 0) return changed;
  const setpriv = findSetpriv();
  if (setpriv === undefined) {
    const lost = `user ${account.name} runs without supplementary groups: setpriv of util-linux is not installed`;
    return { ...changed, notes: [lost] };
  }
  const prefix = [setpriv, `--reuid=${uid}`, `--regid=${gid}`, `--groups=${groups.join(",")}`, "--"];
  return { ...changed, ids: {}, prefix };
}

function findSetpriv(): string | undefined {
  const path = Bun.which("setpriv", { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" });
  if (path === null) return undefined;
  // busybox has a setpriv that can't set users
  return basename(realpathSync(path)) === "setpriv" ? path : undefined;
}
