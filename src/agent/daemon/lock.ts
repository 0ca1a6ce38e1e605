/** One daemon a run directory. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

import { tryLock } from "#src/lib/libc.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

export type Lock = {
  /** The pid of the daemon before, when it ended without releasing the lock; undefined after an orderly stop. */
  readonly previous: number | undefined;
  /** Lets the next daemon in. The file stays: removing it would let two daemons lock two files of the same name. */
  release(): void;
};

/**
 * Takes `<runDir>/agent.lock` and writes our pid into it. The kernel gives the lock back when the process ends, however
 * it ends; children don't inherit the descriptor (open(2) with O_CLOEXEC, as all of Bun's).
 * @throws {Fault} `conflict`, naming the pid of the daemon that holds it
 */
export function takeLock(runDir: string): Lock {
  const path = `${runDir}/agent.lock`;
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
  return {
    previous,
    release() {
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

/** The pid that the lock file names, which is only true while the lock is held. */
export function holderOf(path: string): number | undefined {
  const text = readFileSync(path, "utf8").trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
