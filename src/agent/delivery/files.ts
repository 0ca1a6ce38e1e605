/**
 * The buffer's files: an active one that is appended to, full ones that wait to be acknowledged, and, when the disk is
 * full, one in the overflow folder.
 */
import { closeSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";

import { makeFolder } from "#src/lib/files.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";

import { type KeptEntry, recoverSegment } from "./recover.ts";
import {
  type Segment,
  appendToSegment,
  openSegment,
  removeSegment,
  renameSegment,
  syncSegment,
  truncateSegment,
} from "./segment.ts";

/** A segment is closed at this size and deleted whole once nothing in it is wanted. */
const segmentBytes = 8 * 1024 * 1024;

export type Place = { readonly segment: Segment; readonly offset: number };
export type Found = { readonly segment: Segment; readonly entry: KeptEntry };

type Log = { warn(message: string): void; error(message: string): void };

export type BufferFiles = {
  /** Reads all that an earlier process left, in the order of its numbers. `damaged` lines could not be read. */
  recover(): { readonly found: readonly Found[]; readonly damaged: number };
  /** Opens the file to append to; files without a wanted entry go. Call it once all entries have been indexed. */
  start(): void;
  /** Appends; `nextSeq` names the file that is set aside when the active one is full. undefined: the disk refuses. */
  append(bytes: Uint8Array, nextSeq: number): Place | undefined;
  /** Nothing in `segment` is wanted any more. `beforeLoss` runs before the file goes or is emptied. */
  discard(segment: Segment, beforeLoss: () => void): void;
  sync(): void;
  /** Bytes of all files, wanted or not. */
  size(): number;
  /** Syncs and closes every file. */
  close(): void;
};

/** @param path the active file; full ones lie beside it as `<path>.<number>` */
export function createBufferFiles(path: string, overflowDir: string, log: Log): BufferFiles {
  const folder = dirname(path);
  const name = basename(path);
  const segments = new Set<Segment>();
  let active: Segment | undefined;

  /** All files, oldest first; an active one has no number and comes last. */
  function paths(): string[] {
    const found: { path: string; number: number }[] = [];
    for (const dir of new Set([folder, overflowDir])) {
      for (const file of listFolder(dir)) {
        if (file === name) found.push({ path: `${dir}/${file}`, number: Number.MAX_SAFE_INTEGER });
        const number = Number(file.startsWith(`${name}.`) ? file.slice(name.length + 1) : "none");
        if (Number.isSafeInteger(number)) found.push({ path: `${dir}/${file}`, number });
      }
    }
    return found.sort((a, b) => a.number - b.number).map((file) => file.path);
  }

  function openIn(dir: string): Segment {
    for (const segment of segments) if (segment.path === `${dir}/${name}`) return segment;
    const segment = openSegment(`${dir}/${name}`);
    segments.add(segment);
    return segment;
  }

  function remove(segment: Segment): void {
    segments.delete(segment);
    removeSegment(segment);
  }

  /** Goes on in a new file in `dir`. */
  function rotate(current: Segment, dir: string, nextSeq: number): Segment {
    makeFolder(dir, 0o700);
    if (current.live === 0) remove(current);
    else renameSegment(current, `${dirname(current.path)}/${name}.${nextSeq}`);
    active = undefined;
    active = openIn(dir);
    return active;
  }

  return {
    recover() {
      const found: Found[] = [];
      let damaged = 0;
      for (const file of paths()) {
        const segment = openSegment(file);
        segments.add(segment);
        const recovered = recoverSegment(segment);
        if (recovered.torn > 0) log.warn(`${file}: cut ${recovered.torn} bytes of an unfinished write off its end`);
        if (recovered.damaged > 0) log.error(`${file}: ${recovered.damaged} lines can't be read and are lost`);
        damaged += recovered.damaged;
        for (const entry of recovered.entries) found.push({ segment, entry });
      }
      found.sort((a, b) => a.entry.seq - b.entry.seq);
      return { found, damaged };
    },
    start() {
      for (const segment of segments) if (segment.live === 0 && segment.path !== path) remove(segment);
      active = openIn(folder);
      if (active.live === 0 && active.size > 0) truncateSegment(active, 0);
    },
    append(bytes, nextSeq) {
      if (active === undefined) throw new Fault("unavailable", "the buffer is not open");
      try {
        let segment = active;
        // a file in the overflow folder is left for the proper one as soon as nothing in it is wanted
        const away = segment.live === 0 && dirname(segment.path) !== folder;
        if (segment.size >= segmentBytes || away) segment = rotate(segment, folder, nextSeq);
        let offset = segment.size;
        if (appendToSegment(segment, bytes)) return { segment, offset };
        if (dirname(segment.path) === overflowDir) return undefined;
        log.warn(`${segment.path} can't be written (disk full?): going on in ${overflowDir}`);
        segment = rotate(segment, overflowDir, nextSeq);
        offset = segment.size;
        if (appendToSegment(segment, bytes)) return { segment, offset };
      } catch (error) {
        log.error(`the buffer can't be written: ${reasonOf(error)}`);
      }
      active ??= openIn(folder);
      return undefined;
    },
    discard(segment, beforeLoss) {
      if (segment !== active) {
        beforeLoss();
        remove(segment);
      } else if (segment.size > 0) {
        beforeLoss();
        truncateSegment(segment, 0);
      }
    },
    sync() {
      for (const segment of segments) syncSegment(segment);
    },
    size() {
      let bytes = 0;
      for (const segment of segments) bytes += segment.size;
      return bytes;
    },
    close() {
      for (const segment of segments) {
        syncSegment(segment);
        closeSync(segment.fd);
      }
      segments.clear();
      active = undefined;
    },
  };
}

function listFolder(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    // the overflow folder is made when it is needed
    return [];
  }
}
