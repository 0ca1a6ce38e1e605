/** One daemon a run directory. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

import { sameFile } from "#src/lib/files.ts";
import { setCloseOnExec, tryLock } from "#src/lib/libc.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

export type Lock = {
  /** The pid of the daemon before, when it ended without releasing the lock; undefined after an orderly stop. */
  readonly previous: number | undefined;
  /** The descriptor that holds it, which from now on stays open across execve(2): for whoever replaces this process. */
  handOver(): number;
  /** Lets the next daemon in. The file stays: removing it would let two daemons lock two files of the same name. */
  release(): void;
};

/**
 * Takes `<runDir>/agent.lock` and writes our pid into it. The kernel gives the lock back when the process ends, however
 * it ends; children don't inherit the descriptor (open(2) with O_CLOEXEC, as all of Bun's).
 * @param inherited the descriptor of a daemon that this process has replaced in place: the lock is held already
 * @throws {Fault} `conflict`, naming the pid of the daemon that holds it
 */
export function takeLock(runDir: string, inherited?: number): Lock {
  const path = `${runDir}/agent.lock`;
  if (inherited !== undefined && isOpenAt(inherited, path)) {
    setCloseOnExec(inherited, true);
    return lockOf(inherited, undefined);
  }
  let fd: number;
  try {
    // "a+": made when missing, and the pid of whoever holds it is not cut off
    fd = openSync(path, "a+", 0o600);
  } catch (error) {
    throw new Fault("failed", `the lock ${path} can't be opened: ${reasonOf(error)}`, { cause: error });
  }
  if (!tryLock(fd)) {
    const holder = holderOf(path);
    closeSync(fd);
    throw new Fault("conflict", `an agent already runs in ${runDir}${holder === undefined ? "" : ` (pid ${holder})`}`, {
      hint: "Stop it first, or choose another folder with --dir",
    });
  }
  const previous = holderOf(path);
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return lockOf(fd, previous);
}

function lockOf(fd: number, previous: number | undefined): Lock {
  return {
    previous,
    handOver() {
      setCloseOnExec(fd, false);
      return fd;
    },
    release() {
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

/** Whether a descriptor is that of the file at `path`, and not of another one that has its number by now. */
function isOpenAt(fd: number, path: string): boolean {
  try {
    return sameFile(`/proc/self/fd/${fd}`, path);
  } catch {
    // one of them is not there
    return false;
  }
}

/** The pid that the lock file names, which is only true while the lock is held. */
export function holderOf(path: string): number | undefined {
  const text = readFileSync(path, "utf8").trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
