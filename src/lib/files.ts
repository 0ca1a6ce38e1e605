/** Files that are whole or not there. */
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

/**
 * Replaces `path` with `content` in one step: temporary file beside it, fsync, rename, fsync of the folder (rename(2)).
 * A reader sees the old or the new file whole, also after a power cut. Throws the system's error; the old file stays.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  try {
    const fd = openSync(temporary, "w", mode);
    try {
      // the mode given to open(2) is cut by the umask
      fchmodSync(fd, mode);
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    throw error;
  }
  syncFolder(dirname(path));
}

/** Makes a rename or unlink in `folder` durable. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Unlinks `path`; a file that is not there is fine, any other failure is thrown. */
export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

/** Makes `folder` and its parents with `mode` (parents too), if they are not there. */
export function makeFolder(folder: string, mode = 0o755): void {
  mkdirSync(folder, { recursive: true, mode });
}

/** Whether two paths lead to one file, by device and inode number. Throws when one of them is not there. */
export function sameFile(one: string, other: string): boolean {
  const [a, b] = [statSync(one, { bigint: true }), statSync(other, { bigint: true })];
  return a.dev === b.dev && a.ino === b.ino;
}
