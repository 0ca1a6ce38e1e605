/**
 * What the buffer must know beyond its entries: how far the hub has acknowledged, what was dropped, and how far each
 * stream is durable although its entries are gone. It lies beside the buffer; while that disk refuses it, in the
 * overflow folder. Without it, what was sent would be taken from the pipes and sent once more, or numbers used twice.
 */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import { makeFolder, removeIfThere } from "#src/lib/files.ts";
import { Fault, errnoOf } from "#src/protocol/fault.ts";
import { check, z } from "#src/protocol/schema.ts";

const drops = z.object({ count: z.number(), from: z.number(), to: z.number() });

const schema = z.object({
  version: z.literal(1),
  /** counts writes: of two files the one with the higher number holds */
  revision: z._default(z.number(), 0),
  bootId: z.string(),
  /** every entry up to this number is acknowledged or dropped */
  acknowledged: z.number(),
  /** every line of a script up to this number was dropped or acknowledged, and so each entry by hand */
  droppedUpTo: z.number(),
  /** the same for lines of containers, which are only dropped where no hub is configured */
  containersDroppedUpTo: z._default(z.number(), 0),
  totals: z.object({ acknowledged: z.number(), dropped: z.number() }),
  /** dropped since the last `logs.dropped` event, by source; times in milliseconds */
  drops: z.record(z.string(), drops),
  /** how far each `source/stream` is durable */
  positions: z.record(z.string(), z.number()),
  /** where the log of each container goes on, and the number of the entry that said so */
  containers: z._default(z.record(z.string(), z.object({ seq: z.number(), position: z.string() })), {}),
});
export type Progress = z.infer<typeof schema>;

/** A write within one page replaces it in one step as far as a SIGKILL can tell: the kernel copies a page whole. */
const pageBytes = 4096;

/**
 * Reads what was put down last, in either place.
 * @returns undefined when there is nothing yet
 * @throws {Fault} `invalid` when the file is damaged and nothing newer lies in the other place
 */
export function readProgress(path: string, overflowPath: string): Progress | undefined {
  let overflowed: Progress | undefined;
  try {
    overflowed = readOne(overflowPath);
  } catch (error) {
    // torn, since its disk was full as well: the proper one is older, and all there is
    if (!(error instanceof Fault)) throw error;
  }
  if (overflowed === undefined) return readOne(path);
  try {
    const proper = readOne(path);
    return proper !== undefined && proper.revision > overflowed.revision ? proper : overflowed;
  } catch (error) {
    // cut off by the full disk that the other one is there for
    if (error instanceof Fault) return overflowed;
    throw error;
  }
}

function readOne(path: string): Progress | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
  if (text.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Fault("invalid", `${path} is no JSON`, { cause });
  }
  return check(schema, value, path);
}

export type ProgressFile = {
  /** Puts it down; throws the system's error when both disks refuse. */
  write(progress: Progress): void;
  close(): void;
};

/** Opens the file for writing, at `path` or, as long as that is refused, at `overflowPath`. */
export function openProgress(path: string, overflowPath: string): ProgressFile {
  const proper = openPlace(path);
  let overflow: ProgressFile | undefined;
  let cleaned = false;
  return {
    write(progress) {
      progress.revision++;
      try {
        proper.write(progress);
      } catch {
        // the other place takes it, or throws why it can't
        if (overflow === undefined) makeFolder(dirname(overflowPath), 0o700);
        overflow ??= openPlace(overflowPath);
        overflow.write(progress);
        return;
      }
      if (overflow === undefined && cleaned) return;
      overflow?.close();
      overflow = undefined;
      cleaned = true;
      removeIfThere(overflowPath);
    },
    close() {
      proper.close();
      overflow?.close();
    },
  };
}

/** One place. Content of up to a page is written in place, larger content by way of a new file. */
function openPlace(path: string): ProgressFile {
  let fd: number | undefined;
  return {
    write(progress) {
      let bytes = Buffer.from(`${JSON.stringify(progress)}\n`);
      const small = bytes.length <= pageBytes;
      if (small) bytes = Buffer.concat([bytes, Buffer.alloc(pageBytes - bytes.length, 32)]);
      if (small && fd !== undefined) {
        writeSync(fd, bytes, 0, bytes.length, 0);
        return;
      }
      const temporary = `${path}.tmp`;
      const next = openSync(temporary, "w", 0o600);
      try {
        for (let at = 0; at < bytes.length;) at += writeSync(next, bytes, at, bytes.length - at, at);
        renameSync(temporary, path);
      } catch (error) {
        closeSync(next);
        removeIfThere(temporary);
        throw error;
      }
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      if (small) fd = next;
      else closeSync(next);
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
  };
}
