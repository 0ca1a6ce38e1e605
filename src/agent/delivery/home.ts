/** The folder that the buffer lies in: the configured one, or where that can't be written, the overflow folder. */
import { accessSync, closeSync, constants, openSync } from "node:fs";
import { basename, dirname } from "node:path";

import { makeFolder } from "#src/lib/files.ts";
import { tryLock } from "#src/lib/libc.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { type BufferFiles, createBufferFiles } from "./files.ts";
import { type ProgressFile, openProgress } from "./progress.ts";

export type Home = {
  readonly files: BufferFiles;
  /** where the progress lies, and where it goes while that disk is full */
  readonly progressPaths: readonly [string, string];
  readonly progressFile: ProgressFile;
  /** Held while the buffer is open: two agents with one buffer would overwrite each other's entries. */
  readonly lock: { release(): void };
};

type Log = { warn(message: string): void; error(message: string): void };

/**
 * Opens the place of the buffer.
 * @throws {Fault} `conflict` when another process has it open; `failed` when neither folder can be written
 */
export function openHome(options: { readonly path: string; readonly overflowDir: string }, log: Log): Home {
  const name = basename(options.path);
  let folder = dirname(options.path);
  try {
    makeWritable(folder);
  } catch (error) {
    // a read-only system goes on with what the run folder can hold, until the next reboot
    log.error(`${folder} can't be written: ${reasonOf(error)}. The buffer lies in ${options.overflowDir} instead`);
    folder = options.overflowDir;
    makeWritable(folder);
  }
  const lock = lockFolder(folder);
  const spare = folder === options.overflowDir ? `${folder}/spare` : options.overflowDir;
  const progressPaths = [`${folder}/buffer.state`, `${spare}/buffer.state`] as const;
  const files = createBufferFiles(`${folder}/${name}`, options.overflowDir, log);
  return { files, progressPaths, progressFile: openProgress(...progressPaths), lock };
}

function makeWritable(folder: string): void {
  makeFolder(folder, 0o700);
  accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
}

function lockFolder(folder: string): { release(): void } {
  const path = `${folder}/buffer.lock`;
  const fd = openSync(path, "a", 0o600);
  if (tryLock(fd)) return { release: () => closeSync(fd) };
  closeSync(fd);
  throw new Fault("conflict", `another agent uses the buffer in ${folder}`, {
    hint: "Stop it, or give this one a folder of its own with --dir or ORION_CONFIG_DIR",
  });
}
