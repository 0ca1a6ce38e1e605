/** One hub a data folder: what a store keeps in memory would not know of another one's writes. */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

import { tryLock } from "#src/lib/libc.ts";
import { Fault } from "#src/protocol/fault.ts";
import { finishReplacement } from "./replacement.ts";

/**
 * Locks `folder` by flock(2) on `hub.lock`, which the kernel gives back however the process ends. A
 * restore that was interrupted there is finished: whoever has the lock finds one hub's data, whole.
 * @returns releases it
 * @throws {Fault} `conflict`, naming the pid of the hub that has it; the system's error when the file can't be opened
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, "hub.lock");
  // "a+": whoever holds it keeps its pid in there
  const fd = openSync(path, "a+", 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    const holder = readFileSync(path, "utf8").trim();
    throw new Fault("conflict", `a hub already uses ${folder}${holder === "" ? "" : ` (pid ${holder})`}`, {
      hint: "Stop it first, or choose another folder with --data-dir",
    });
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  try {
    finishReplacement(folder);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return () => {
    ftruncateSync(fd, 0);
    closeSync(fd);
  };
}
