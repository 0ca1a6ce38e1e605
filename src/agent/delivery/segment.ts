/** One file of the buffer. The active one is `buffer.jsonl`; full ones wait beside it, named after their first entry. */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from "node:fs";

import { removeIfThere } from "#src/lib/files.ts";

export type Segment = {
  /** where it lies now */
  path: string;
  readonly fd: number;
  /** bytes of whole entries; what a failed write left behind them is cut off */
  size: number;
  /** chunks in it that are still wanted */
  live: number;
  /** written to since the last sync */
  dirty: boolean;
};

/** Opens or creates a segment for appending. */
export function openSegment(path: string): Segment {
  const fd = openSync(path, "a+", 0o600);
  return { path, fd, size: fstatSync(fd).size, live: 0, dirty: false };
}

/**
 * Appends all of `bytes` or nothing.
 * @returns false when the disk is full or fails; the file is then as it was before
 */
export function appendToSegment(segment: Segment, bytes: Uint8Array): boolean {
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(segment.fd, bytes, written);
  } catch {
    // the caller learns of it by the answer; nothing half-written stays
    if (written > 0) ftruncateSync(segment.fd, segment.size);
    return false;
  }
  segment.size += bytes.length;
  segment.dirty = true;
  return true;
}

/** Reads `target.length` bytes from `offset`; less only at the file's end. @returns bytes read */
export function readSegment(segment: Segment, target: Uint8Array, offset: number): number {
  let got = 0;
  while (got < target.length) {
    const n = readSync(segment.fd, target, got, target.length - got, offset + got);
    if (n === 0) break;
    got += n;
  }
  return got;
}

export function truncateSegment(segment: Segment, size: number): void {
  ftruncateSync(segment.fd, size);
  segment.size = size;
}

/** Moves it out of the way of the next active segment. */
export function renameSegment(segment: Segment, path: string): void {
  renameSync(segment.path, path);
  segment.path = path;
}

/** fdatasync(2), when something was written since the last one. */
export function syncSegment(segment: Segment): void {
  if (!segment.dirty) return;
  fdatasyncSync(segment.fd);
  segment.dirty = false;
}

export function removeSegment(segment: Segment): void {
  closeSync(segment.fd);
  removeIfThere(segment.path);
}
