/** Files that are whole or not there. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
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
 * A file that was not there before and is no link: in a folder of somebody else, what stands ready under the name could
 * lead root's writing elsewhere (open(2), O_EXCL).
 */
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Whose a file is. */
export type Owner = { readonly uid: number; readonly gid: number };

/**
 * Replaces `path` with `content` in one step: temporary file beside it, fsync, rename, fsync of the folder (rename(2)).
 * A reader sees the old or the new file whole, also after a power cut. A link at `path` is replaced, not followed. The
 * temporary name can't be guessed, and until all is written nobody else can read it. Throws the system's error; the old
 * file stays.
 * @param owner whom root gives the file to, before it is seen under its name; chown(2) on the name would follow a link
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600, owner?: Owner): void {
  const temporary = `${path}.${randomBytes(12).toString("hex")}.tmp`;
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  // outside of what is cleaned up: whatever has this name already is not ours to remove
  const fd = openSync(temporary, newFile, 0o600);
  try {
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      // the mode given to open(2) would be cut by the umask
      fchmodSync(fd, mode);
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
