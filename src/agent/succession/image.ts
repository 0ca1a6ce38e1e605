/** Programs as files: the one that this process runs, and the one that lies at its path by now. */
import { readFileSync, statSync } from "node:fs";
import { copyFile, rename, rm } from "node:fs/promises";

/** The program that runs here, whatever has become of its file. See proc_pid_exe(5). */
export const ownImage = "/proc/self/exe";

/** Where this process's program was started from. */
export function ownPath(): string {
  // the kernel adds a word when the file was replaced since
  return process.execPath.replace(/ \(deleted\)$/, "");
}

/** The words that a process was started with, its program's name first. See proc_pid_cmdline(5). */
export function commandLine(pid: number | "self"): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
}

/** Where the program before is kept while a new one proves itself, and afterwards. */
export const previousPath = (path: string): string => `${path}.previous`;

/** Which file lies at a path, whatever it is called, until it is deleted; undefined when there is none. */
export function fileName(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}

/** Whether the file at `path` is not the program that runs here. */
export function isReplaced(path: string): boolean {
  return fileName(ownImage) !== fileName(path);
}

/** Makes sure that `<path>.previous` is the program that runs here. @throws the system's error: no space, read-only */
export async function keepPrevious(path: string): Promise<void> {
  const kept = previousPath(path);
  if (fileName(kept) === fileName(ownImage)) return;
  const temporary = `${kept}.${process.pid}.tmp`;
  try {
    await copyFile(ownImage, temporary);
    await rename(temporary, kept);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
