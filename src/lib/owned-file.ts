/**
 * Files that decide what a daemon does: read only when nobody else could have written them. Otherwise whoever may
 * write a scripts file of root's daemon would be root.
 */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Largest file that is read whole, in bytes: a config of this size is a mistake. */
export const maxOwnedFileBytes = 16 * 1024 * 1024;

export type OwnedFile =
  | { readonly state: "absent" }
  | { readonly state: "text"; readonly text: string }
  /** `why` continues "PATH can't be used: …"; `todo` is what to do about it */
  | { readonly state: "refused"; readonly why: string; readonly todo: string };

/**
 * Reads `path` when it is a regular file that only its owner may write, the owner being the reader (`uid`) or root; with
 * `anyOwner` only the reading itself is made. The checks are made on the open file, so that it can't be exchanged in
 * between. Never throws.
 */
export function readOwnedFile(
  path: string,
  options: { readonly uid?: number; readonly anyOwner?: boolean } = {},
): OwnedFile {
  const uid = options.uid ?? process.getuid?.() ?? 0;
  let fd: number;
  try {
    // O_NONBLOCK: a FIFO in the file's place must not hold the daemon up
    fd = openSync(path, 0o4000);
  } catch (error) {
    const errno = error instanceof Error && "code" in error ? String(error.code) : "";
    if (errno === "ENOENT" || errno === "ENOTDIR") return { state: "absent" };
    if (errno === "EACCES") return refused("this user may not read it", `sudo chown ${uid} ${path}`);
    return refused(`it can't be opened: ${error instanceof Error ? error.message : String(error)}`, `ls -l ${path}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return refused("it is not a regular file", `put a regular file at ${path}`);
    if (stat.size > maxOwnedFileBytes)
      return refused(`it is larger than ${maxOwnedFileBytes} bytes`, `shorten ${path}`);
    if (options.anyOwner === true) return { state: "text", text: readFileSync(fd, "utf8") };
    if (stat.uid !== uid && stat.uid !== 0) {
      return refused(`user ${stat.uid} owns it, who could change it at any time`, `chown ${uid} ${path}`);
    }
    if ((stat.mode & 0o022) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      return refused(`group or others may write it (mode ${mode})`, `chmod go-w ${path}`);
    }
    const folder = dirname(path);
    const around = statSync(folder);
    if ((around.mode & 0o1002) === 0o002) {
      return refused(`others may replace it: its folder ${folder} is writable for everybody`, `chmod o-w ${folder}`);
    }
    return { state: "text", text: readFileSync(fd, "utf8") };
  } catch (error) {
    return refused(`it can't be read: ${error instanceof Error ? error.message : String(error)}`, `ls -l ${path}`);
  } finally {
    closeSync(fd);
  }
}

/** Changes whenever the file's content, rights or owner may have changed; "" when it is not there. One stat(2). */
export function fileStamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
}

function refused(why: string, todo: string): OwnedFile {
  return { state: "refused", why, todo };
}
