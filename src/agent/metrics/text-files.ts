/** Reads files of /proc whole, with little garbage: one buffer for all of them. */
import { closeSync, constants, openSync, readSync } from "node:fs";
import type { Reading } from "#src/procfs/reading.ts";
import { absent, failed, value } from "#src/procfs/reading.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

/** No file of /proc that is read here gets near this; /proc/stat of 2,048 CPUs has 0.4 MB. More means a wrong path. */
const maxBytes = 4 * 1024 * 1024;
const firstBytes = 16 * 1024;

export type TextFiles = {
  /** The file's text; `absent` when there is no such file. */
  read(path: string): Reading<string>;
};

/** Opens the reader. Reads synchronously: files of /proc never wait for a disk. */
export function createTextFiles(): TextFiles {
  let buffer = Buffer.allocUnsafeSlow(firstBytes);

  // seq files give at most some pages a call (fs/seq_file.c), so only an empty read is the end
  function readWhole(fd: number): number {
    let length = 0;
    while (length < maxBytes) {
      if (length === buffer.length) {
        const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      const got = readSync(fd, buffer, length, buffer.length - length, null);
      if (got === 0) return length;
      length += got;
    }
    throw new Error(`it is larger than ${maxBytes} bytes`);
  }

  return {
    read(path) {
      try {
        // O_NONBLOCK: a wrong path may be a pipe, and opening that would wait for ever
        const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
        try {
          return value(buffer.toString("utf8", 0, readWhole(fd)));
        } finally {
          closeSync(fd);
        }
      } catch (error) {
        const code = errnoOf(error);
        if (code === "ENOENT" || code === "ENOTDIR") return absent;
        return failed(`${path} can't be read: ${code ?? reasonOf(error)}`, readable);
      }
    },
  };
}

const readable = "make procfs readable for this user, or set PROC_PATH to where it is mounted";

/** A file that every kernel has: that it is not there is a failure. */
export function readRequired(files: TextFiles, path: string): Reading<string> {
  const text = files.read(path);
  if (text.kind !== "absent") return text;
  return failed(`${path} does not exist`, "mount procfs there, or set PROC_PATH to where it is mounted");
}

/** Reads a file that every kernel has and parses it; a text that the parser refuses is a failure. */
export function readParsed<T>(files: TextFiles, path: string, parse: (text: string) => T | undefined): Reading<T> {
  const text = readRequired(files, path);
  if (text.kind !== "value") return text;
  const parsed = parse(text.value);
  if (parsed !== undefined) return value(parsed);
  return failed(`${path} ${text.value.trim() === "" ? "is empty" : "is not what the kernel writes"}`, garbage);
}

const garbage = "check that PROC_PATH is a mounted procfs and not a copy or an overlay of one";
